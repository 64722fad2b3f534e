//! Output of services, as values: rotation rules, names, orders to the logger. Pure.
