//! Removing files that are open.
//!
//! Programs make a temporary file, remove it at once, and go on using it: it is gone for everybody else, and goes
//! for good when it is closed, however the program ends. FAT has no place for a file without a name, so the name
//! stays on the disk until then, and nobody finds it: not by its path, and not in a listing. If the power fails in
//! between, the file is there again, whole, like any other (F1). Until it is closed the name cannot be used anew, and
//! the directory is not empty.
//!
//! The node knows its directory by the first cluster, which renaming a directory does not change.

use super::node::Node;
use super::tree::{Found, NodeId, Tree};
use crate::volume::BlockDevice;
use abi::Errno;
use alloc::vec::Vec;

/// What the first byte of a record says that is free.
pub(super) const FREE: u8 = 0xe5;
/// Attributes of a record that holds a part of a long name; with `FIRST` in its number, the part that comes first.
const LONG_NAME: u8 = 0x0f;
const FIRST: u8 = 0x40;
/// Parts of a long name at most.
const MAX_PARTS: usize = 20;
/// Offset of the attributes in a record.
pub(super) const ATTRIBUTES: usize = 11;

impl<D: BlockDevice> Tree<D> {
    /// Removes the open file of node `id` as soon as it is closed.
    pub(super) fn remove_later(&mut self, id: NodeId, found: &Found) {
        self.nodes[id.index()].removed_from = Some(found.directory);
    }

    /// Whether what was found is a file that will be gone.
    pub(super) fn is_removed(&mut self, found: &Found) -> Result<bool, Errno> {
        // Seldom, and finding the record costs.
        if self.removed_nodes().next().is_none() {
            return Ok(false);
        }
        let record = self.record(found)?;
        Ok(self.removed_nodes().any(|node| node.record == record))
    }

    /// Directory and short name of all files that will be gone.
    pub(super) fn removed_names(&mut self) -> Result<Vec<(u16, [u8; 11])>, Errno> {
        let nodes: Vec<_> = self
            .removed_nodes()
            .filter_map(|node| Some((node.removed_from?, node.record)))
            .collect();
        let name = |(directory, record)| {
            let mut short = [0; 11];
            let read = self.ground.cache.read(record, &mut short);
            read.map_err(|_| Errno::Device)?;
            Ok((directory, short))
        };
        nodes.into_iter().map(name).collect()
    }

    /// Gives back what the file of node `id` occupies, and its name, if it was removed and is closed now.
    pub(super) fn finish_removal(&mut self, id: NodeId) -> Result<(), Errno> {
        let node = &mut self.nodes[id.index()];
        let Some(directory) = node.removed_from.filter(|_| node.opens == 0) else {
            return Ok(());
        };
        node.removed_from = None;
        let record = node.record;
        // An empty file has no clusters.
        node.set_size(&mut self.ground, 0, node.changed)?;
        node.commit(&mut self.ground)?;
        self.erase(directory, record)
    }

    fn removed_nodes(&self) -> impl Iterator<Item = &Node> {
        let open = self.nodes.iter().filter(|node| node.opens > 0);
        open.filter(|node| node.removed_from.is_some())
    }

    /// Frees a directory record, and those with the parts of its long name, which come right before it.
    fn erase(&mut self, directory: u16, record: u64) -> Result<(), Errno> {
        let (mut parts, mut length) = ([0; MAX_PARTS], 0);
        let found = self.walk(directory, |at, bytes| {
            let part = bytes[ATTRIBUTES] == LONG_NAME && bytes[0] != FREE;
            let begins = part && bytes[0] & FIRST != 0;
            if begins || !part && at != record {
                length = 0;
            }
            if part && let Some(place) = parts.get_mut(length) {
                *place = at;
                length += 1;
            }
            at == record
        })?;
        if !found {
            return Err(Errno::Device);
        }
        for &at in parts[..length].iter().chain(&[record]) {
            let written = self.ground.cache.write(at, &[FREE]);
            written.map_err(|_| Errno::Device)?;
        }
        Ok(())
    }
}
