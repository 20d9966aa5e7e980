//! Files on a FAT16 volume, for reading and writing: what the kernel's file service does with a disk.
//!
//! * [`cache`]: the disk's sectors in memory, written back later.
//! * `stream`: the cache as `hadris-fat` wants to see it.
//! * [`geometry`]: where tables, directories and clusters lie.
//! * `node`: an open file: its chain of clusters, its size, its directory record.
//! * `removal`: files that are removed while they are open.
//! * [`tree`]: names: open, make, remove, rename, list.
//!
//! Names and directories are the work of the `hadris-fat` crate, whose writer can only rewrite a file from its start;
//! the contents of open files are therefore reached through their chains of clusters, which the same crate's
//! allocation table links and frees.
//!
//! # When data is safe
//! F1. What a program writes is in the cache; [`tree::Tree::sync`] brings everything to the disk: first the sizes of
//!     open files into their directory records, then the contents of files, then tables and root directory, then the
//!     disk's own cache. After it the volume is whole, as `fsck.fat` would have it, and holds what was written.
//! F2. A file's clusters beyond its size are given back when it is synchronised or closed.
//! F3. A file that is open keeps its record and its clusters: removed, it is gone when it is closed, and a rename cannot
//!     replace it. So a node never names a record or a cluster that belongs to another file.

pub mod cache;
pub mod geometry;
mod node;
mod removal;
mod stream;
#[cfg(test)]
mod tests;
pub mod tree;
