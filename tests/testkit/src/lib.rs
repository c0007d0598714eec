//! Launchers of real servers and strict stand-ins.
