//! Files as host calls speak of them: flags of `bf_open`, the record of `bf_stat`, bounds.
//!
//! Which directories a module sees is decided elsewhere; here are only the numbers.

/// Most bytes of a path.
pub const MAX_PATH: usize = 255;
/// Most open files of an instance, the console's three included.
pub const MAX_OPEN: usize = 64;
/// Most tasks of an instance at a time.
pub const MAX_TASKS: usize = 256;
/// Bytes of a [`Stat`] in a module's memory.
pub const STAT_BYTES: usize = 24;

/// Bits of `bf_open`'s flags.
pub mod open {
    /// May be read.
    pub const READ: u32 = 1;
    /// May be written.
    pub const WRITE: u32 = 2;
    /// Is made if there is none.
    pub const CREATE: u32 = 4;
    /// Is emptied.
    pub const TRUNCATE: u32 = 8;
    /// Every write goes to the end.
    pub const APPEND: u32 = 16;
    /// With [`CREATE`]: there must be none.
    pub const EXCLUSIVE: u32 = 32;
    /// A directory, for `bf_list`.
    pub const DIRECTORY: u32 = 64;
    /// All of them.
    pub const ALL: u32 = 127;

    /// Whether these bits mean something together: at least one of read, write and directory; what
    /// changes a file needs write, and a directory is only read.
    #[must_use]
    pub const fn is_valid(flags: u32) -> bool {
        let changes = flags & (CREATE | TRUNCATE | APPEND | EXCLUSIVE) != 0;
        let known = flags & !ALL == 0 && flags & (READ | WRITE | DIRECTORY) != 0;
        let directory = flags & DIRECTORY == 0 || (!changes && flags & WRITE == 0);
        known && directory && (!changes || flags & WRITE != 0)
    }
}

/// What a descriptor or a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// Bytes with a position.
    File = 1,
    /// Names.
    Directory = 2,
    /// The console.
    Console = 3,
}

/// The record of `bf_stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// Last change, microseconds since 1970 UTC; 0 where nobody knows.
    pub mtime_us: i64,
    /// What it is.
    pub kind: Kind,
}

impl Stat {
    /// As it lies in a module's memory: `u64 size; i64 mtime_us; u32 kind; u32 0`.
    #[must_use]
    pub fn to_bytes(self) -> [u8; STAT_BYTES] {
        let mut bytes = [0; STAT_BYTES];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.mtime_us.to_le_bytes());
        bytes[16..20].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_contradict_each_other_are_invalid() {
        use open::*;
        for good in [
            READ,
            WRITE,
            READ | WRITE,
            WRITE | CREATE | EXCLUSIVE,
            READ | DIRECTORY,
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            0,
            CREATE,
            READ | CREATE,
            READ | TRUNCATE,
            WRITE | DIRECTORY,
            128 | READ,
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn a_record_has_its_fields_where_c_has_them() {
        let stat = Stat {
            size: 0x0102,
            mtime_us: -1,
            kind: Kind::Console,
        };
        let bytes = stat.to_bytes();
        assert_eq!((bytes[0], bytes[1], bytes[15], bytes[16]), (2, 1, 255, 3));
    }
}
