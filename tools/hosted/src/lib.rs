//! The engine as a Linux process: threads as cores.
