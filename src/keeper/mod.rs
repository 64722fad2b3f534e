//! The parent of everything: starts the roles, reaps, holds, and outlives the others.
