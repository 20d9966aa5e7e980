//! Where things lie on a FAT16 volume, from its boot sector (Microsoft, "FAT General Overview of On-Disk Format" 1.03).
//!
//! Directories are searched and changed by the `hadris-fat` crate, which keeps such figures to itself; the contents of
//! files are reached with these. A boot sector whose figures contradict each other or the size of the disk is refused,
//! so every offset that is computed from them lies on the disk.

use crate::volume::SECTOR_SIZE;

/// Fewest and most clusters of FAT16; with others the volume is of another kind.
const CLUSTERS: core::ops::RangeInclusive<u64> = 4085..=65524;
/// Bytes of a directory record.
pub const RECORD: u64 = 32;

/// The figures, in bytes from the start of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// First byte of the first allocation table.
    pub fat_start: u64,
    /// Bytes of one table.
    pub fat_size: u64,
    /// Number of tables.
    pub fats: u8,
    /// First byte of the root directory.
    pub root_start: u64,
    /// First byte of the first cluster, which has number 2.
    pub data_start: u64,
    /// Bytes of a cluster.
    pub cluster_size: u64,
    /// Highest cluster number.
    pub max_cluster: u16,
}

impl Geometry {
    /// Reads the boot sector of a disk with so many bytes; `None` if it is not that of a FAT16 volume.
    #[must_use]
    pub fn read(sector: &[u8; SECTOR_SIZE], disk_bytes: u64) -> Option<Self> {
        let half = |at: usize| u64::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
        let unit = half(11);
        let (per_cluster, reserved, fats) = (u64::from(sector[13]), half(14), sector[16]);
        let (root_records, fat_sectors) = (half(17), half(22));
        let sectors = match half(19) {
            0 => half(32) | half(34) << 16,
            small => small,
        };
        let sound = unit == SECTOR_SIZE as u64
            && per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=2).contains(&fats)
            && sectors * unit <= disk_bytes;
        let fat_start = reserved * unit;
        let root_start = fat_start + u64::from(fats) * fat_sectors * unit;
        let data_start = (root_start + root_records * RECORD).next_multiple_of(unit);
        let clusters = (sectors * unit).checked_sub(data_start)? / unit.max(1) / per_cluster.max(1);
        let covered = fat_sectors * unit >= (clusters + 2) * 2;
        (sound && covered && CLUSTERS.contains(&clusters)).then_some(Self {
            fat_start,
            fat_size: fat_sectors * unit,
            fats,
            root_start,
            data_start,
            cluster_size: per_cluster * unit,
            // At most 65525.
            max_cluster: (clusters + 1) as u16,
        })
    }

    /// First byte of a cluster; the caller has it from an allocation table that was checked.
    #[must_use]
    pub fn cluster_start(&self, cluster: u16) -> u64 {
        self.data_start + u64::from(cluster.saturating_sub(2)) * self.cluster_size
    }

    /// Clusters that a file of `size` bytes takes.
    #[must_use]
    pub fn clusters_for(&self, size: u64) -> u64 {
        size.div_ceil(self.cluster_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector() -> [u8; SECTOR_SIZE] {
        let mut sector = [0; SECTOR_SIZE];
        sector[11..13].copy_from_slice(&512_u16.to_le_bytes());
        sector[13] = 4;
        sector[14] = 1;
        sector[16] = 2;
        sector[17..19].copy_from_slice(&512_u16.to_le_bytes());
        sector[22] = 64;
        sector[32..36].copy_from_slice(&65536_u32.to_le_bytes());
        sector
    }

    #[test]
    fn a_volume_of_32_mib_lies_as_expected() {
        let geometry = Geometry::read(&sector(), 32 << 20).unwrap();
        assert_eq!(geometry.fat_start, 512);
        assert_eq!(geometry.root_start, 512 + 2 * 64 * 512);
        assert_eq!(geometry.data_start, geometry.root_start + 512 * 32);
        assert_eq!(geometry.cluster_size, 2048);
        assert_eq!(geometry.max_cluster, 16343 + 1);
        let end = geometry.cluster_start(geometry.max_cluster) + geometry.cluster_size;
        assert!(end <= 32 << 20);
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(Geometry::read(&sector(), 16 << 20), None, "cut");
        for (at, value) in [
            (11, 1),
            (12, 4),
            (13, 3),
            (13, 0),
            (14, 0),
            (16, 3),
            (22, 1),
            (32, 9),
        ] {
            let mut sector = sector();
            sector[at] = value;
            if at == 32 {
                sector[33..36].fill(0);
            }
            assert_eq!(Geometry::read(&sector, 32 << 20), None, "{at} {value}");
        }
    }
}
