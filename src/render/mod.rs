//! Values to text. Pure; imports `model` only.
