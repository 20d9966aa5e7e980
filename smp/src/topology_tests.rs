//! Topologies from tables that these tests build byte by byte, honest first, then damaged in every
//! way.

use alloc::vec;

use super::*;
use crate::finding::MAX_FINDINGS;
use crate::sim::Rng;
use crate::tables::Unreadable;

const RSDP: u64 = 0xf_5a40;
const ROOT: u64 = 0x7ff_0000;
const MADT: u64 = 0x7ff_1000;
const ENABLED: u32 = 1;

/// Physical memory with holes: only these pieces can be read.
#[derive(Clone, Default)]
struct Fixture(Vec<(u64, Vec<u8>)>);

impl Fixture {
    fn with(mut self, address: u64, bytes: Vec<u8>) -> Fixture {
        self.0.retain(|(start, _)| *start != address);
        self.0.push((address, bytes));
        self
    }
}

impl PhysMem for Fixture {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unreadable> {
        let piece = self.0.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(offset..offset.checked_add(into.len())?)
        });
        into.copy_from_slice(piece.ok_or(Unreadable)?);
        Ok(())
    }
}

fn sign(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    bytes[at] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
}

fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend_from_slice(&(36 + body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(b"BOCHS BXPC    ");
    bytes.extend_from_slice(&[0; 12]);
    bytes.extend_from_slice(body);
    sign(&mut bytes, 9);
    bytes
}

fn rsdp(revision: u8, rsdt: u64, xsdt: u64) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0BOCHS ".to_vec();
    bytes.push(revision);
    bytes.extend_from_slice(&(rsdt as u32).to_le_bytes());
    sign(&mut bytes, 8);
    if revision > 0 {
        bytes.extend_from_slice(&36_u32.to_le_bytes());
        bytes.extend_from_slice(&xsdt.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        sign(&mut bytes, 32);
    }
    bytes
}

fn madt(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut body = 0xfee0_0000_u32.to_le_bytes().to_vec();
    body.extend_from_slice(&1_u32.to_le_bytes());
    body.extend(entries.iter().flatten());
    table(b"APIC", &body)
}

fn lapic(id: u8, flags: u32) -> Vec<u8> {
    let mut entry = vec![0, 8, id, id];
    entry.extend_from_slice(&flags.to_le_bytes());
    entry
}

fn x2apic(id: u32, flags: u32) -> Vec<u8> {
    let mut entry = vec![9, 16, 0, 0];
    for word in [id, flags, id] {
        entry.extend_from_slice(&word.to_le_bytes());
    }
    entry
}

fn io_apic() -> Vec<u8> {
    vec![1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]
}

/// RSDP 2.0 → XSDT with an unreadable and a foreign table, then this MADT.
fn machine(madt: Vec<u8>) -> Fixture {
    let foreign = table(b"HPET", &[0; 20]);
    let mut pointers = Vec::new();
    for pointer in [0xdead_0000, MADT + 0x8000, MADT] {
        pointers.extend_from_slice(&u64::to_le_bytes(pointer));
    }
    Fixture::default()
        .with(RSDP, rsdp(2, 0, ROOT))
        .with(ROOT, table(b"XSDT", &pointers))
        .with(MADT + 0x8000, foreign)
        .with(MADT, madt)
}

fn discover(memory: &Fixture, bsp: u32) -> Result<Topology, TablesError> {
    Topology::discover(memory, RSDP, ApicId(bsp), Limits::X2APIC)
}

fn of_entries(entries: &[Vec<u8>], bsp: u32, limits: Limits) -> (Vec<u32>, Vec<Finding>) {
    let topology = Topology::discover(&machine(madt(entries)), RSDP, ApicId(bsp), limits).unwrap();
    let mut findings = topology.findings().as_slice().to_vec();
    findings.retain(|finding| {
        *finding
            != Finding::BadTable {
                address: 0xdead_0000,
            }
    });
    (
        topology.cores().iter().map(|core| core.apic.0).collect(),
        findings,
    )
}

#[test]
fn honest_tables_give_dense_ids_with_the_bsp_first() {
    let entries = [
        lapic(0, ENABLED),
        lapic(1, ENABLED),
        io_apic(),
        lapic(4, ENABLED),
        lapic(5, ENABLED),
    ];
    let topology = discover(&machine(madt(&entries)), 4).unwrap();
    let apics: Vec<_> = topology.cores().iter().map(|core| core.apic.0).collect();
    assert_eq!(apics, [4, 0, 1, 5]);
    assert_eq!(topology.aps().len(), 3);
    assert_eq!(topology.by_apic(ApicId(5)), CoreId::new(3));
    assert_eq!(topology.apic_of(CoreId::BSP), Some(ApicId(4)));
    assert_eq!(topology.by_apic(ApicId(6)), None);
    assert_eq!(topology.lapic_address(), 0xfee0_0000);
    assert!(topology.has_8259());
}

#[test]
fn rsdt_of_acpi_1_works_as_well() {
    let memory = machine(madt(&[lapic(0, ENABLED), lapic(1, ENABLED)]))
        .with(RSDP, rsdp(0, ROOT, 0))
        .with(ROOT, table(b"RSDT", &(MADT as u32).to_le_bytes()));
    let topology = discover(&memory, 0).unwrap();
    assert_eq!(topology.cores().len(), 2);
    assert!(topology.findings().as_slice().is_empty());
}

#[test]
fn bad_xsdt_falls_back_to_the_rsdt() {
    let rsdt_at = ROOT + 0x800;
    let good = machine(madt(&[lapic(0, ENABLED)]))
        .with(RSDP, rsdp(2, rsdt_at, ROOT))
        .with(rsdt_at, table(b"RSDT", &(MADT as u32).to_le_bytes()));
    let mut broken_sum = rsdp(2, rsdt_at, ROOT);
    broken_sum[33] ^= 1;
    let mut lying_length = rsdp(2, rsdt_at, ROOT);
    lying_length[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut broken_root = table(b"XSDT", &MADT.to_le_bytes());
    broken_root[40] ^= 1;
    let cases = [
        good.clone().with(RSDP, broken_sum),
        good.clone().with(RSDP, lying_length),
        good.clone().with(ROOT, broken_root),
        good.with(ROOT, Vec::new()),
    ];
    for memory in cases {
        let topology = discover(&memory, 0).unwrap();
        assert_eq!(topology.findings().as_slice(), [Finding::XsdtUnusable]);
        assert_eq!(topology.cores().len(), 1);
    }
}

#[test]
fn disabled_and_pluggable_cores_are_left_alone() {
    let entries = [lapic(0, ENABLED), lapic(1, 0), lapic(2, 2), lapic(3, 3)];
    let (apics, findings) = of_entries(&entries, 0, Limits::XAPIC);
    assert_eq!(apics, [0, 3]);
    assert_eq!(
        findings,
        [
            Finding::Disabled(ApicId(1)),
            Finding::OnlineCapable(ApicId(2))
        ]
    );
}

#[test]
fn core_listed_in_both_forms_counts_once() {
    let entries = [
        lapic(0, ENABLED),
        lapic(1, ENABLED),
        x2apic(0, ENABLED),
        x2apic(1, ENABLED),
    ];
    let (apics, findings) = of_entries(&entries, 0, Limits::X2APIC);
    assert_eq!(apics, [0, 1]);
    assert_eq!(
        findings,
        [Finding::Duplicate(ApicId(0)), Finding::Duplicate(ApicId(1))]
    );
}

#[test]
fn enabled_entry_counts_even_if_the_other_form_is_disabled() {
    let entries = [lapic(0, ENABLED), lapic(1, 0), x2apic(1, ENABLED)];
    assert_eq!(of_entries(&entries, 0, Limits::X2APIC).0, [0, 1]);
}

#[test]
fn broadcast_ids_are_never_cores() {
    let entries = [
        lapic(0, ENABLED),
        lapic(255, ENABLED),
        x2apic(u32::MAX, ENABLED),
        x2apic(255, ENABLED),
    ];
    let (apics, findings) = of_entries(&entries, 0, Limits::X2APIC);
    assert_eq!(apics, [0, 255], "255 is an ordinary id in x2APIC form");
    assert_eq!(findings, [Finding::BroadcastId, Finding::BroadcastId]);
}

#[test]
fn wide_ids_need_x2apic_mode() {
    let entries = [
        lapic(0, ENABLED),
        x2apic(300, ENABLED),
        x2apic(254, ENABLED),
    ];
    assert_eq!(of_entries(&entries, 0, Limits::X2APIC).0, [0, 300, 254]);
    let (apics, findings) = of_entries(&entries, 0, Limits::XAPIC);
    assert_eq!(apics, [0, 254]);
    assert_eq!(findings, [Finding::NotAddressable(ApicId(300))]);
}

#[test]
fn bsp_that_is_not_listed_is_used_all_the_same() {
    let (apics, findings) = of_entries(&[lapic(1, ENABLED)], 9, Limits::XAPIC);
    assert_eq!(apics, [9, 1]);
    assert_eq!(findings, [Finding::BspNotListed(ApicId(9))]);
}

#[test]
fn number_of_cores_is_bounded_and_the_rest_counted() {
    let entries: Vec<_> = (0..700).map(|id| x2apic(id, ENABLED)).collect();
    let (apics, findings) = of_entries(&entries, 650, Limits::X2APIC);
    assert_eq!(
        (apics.len(), apics[0]),
        (MAX_CORES, 650),
        "the BSP has its place first"
    );
    assert_eq!(
        findings,
        [Finding::TooManyCores {
            left_out: 700 - MAX_CORES
        }]
    );
    let (apics, _) = of_entries(
        &entries,
        0,
        Limits {
            cores: 0,
            ..Limits::X2APIC
        },
    );
    assert_eq!(apics, [0]);
}

#[test]
fn lapic_address_is_overridden_and_checked() {
    let mut over = vec![5, 12, 0, 0];
    over.extend_from_slice(&0x1_fee0_0000_u64.to_le_bytes());
    let topology = discover(&machine(madt(&[over])), 0).unwrap();
    assert_eq!(topology.lapic_address(), 0x1_fee0_0000);
    let mut odd = vec![5, 12, 0, 0];
    odd.extend_from_slice(&0xfee0_0010_u64.to_le_bytes());
    let topology = discover(&machine(madt(&[odd])), 0).unwrap();
    assert_eq!(topology.lapic_address(), DEFAULT_LAPIC_ADDRESS);
    assert!(
        topology
            .findings()
            .as_slice()
            .contains(&Finding::BadLapicAddress {
                address: 0xfee0_0010
            })
    );
}

#[test]
fn entry_of_length_zero_ends_the_walk() {
    let (apics, findings) = of_entries(
        &[lapic(0, ENABLED), vec![0, 0], lapic(1, ENABLED)],
        0,
        Limits::XAPIC,
    );
    assert_eq!(apics, [0]);
    assert_eq!(findings, [Finding::EntryWithoutLength { offset: 52 }]);
}

#[test]
fn entry_that_runs_past_the_end_is_dropped() {
    for tail in [vec![0, 8, 1], vec![9, 255, 0, 0, 1, 0, 0, 0], vec![0]] {
        let (apics, findings) = of_entries(&[lapic(0, ENABLED), tail], 0, Limits::XAPIC);
        assert_eq!(apics, [0]);
        assert_eq!(findings, [Finding::EntryOverrun { offset: 52 }]);
    }
}

#[test]
fn short_entry_is_skipped_and_long_one_trimmed() {
    let mut long = lapic(2, ENABLED);
    long[1] = 12;
    long.extend_from_slice(&[0xff; 4]);
    let entries = [
        lapic(0, ENABLED),
        vec![0, 4, 1, 1],
        vec![9, 2],
        long,
        lapic(3, ENABLED),
    ];
    let (apics, findings) = of_entries(&entries, 0, Limits::XAPIC);
    assert_eq!(apics, [0, 2, 3]);
    let short = |offset, kind| Finding::ShortEntry { offset, kind };
    assert_eq!(findings, [short(52, 0), short(56, 9)]);
}

#[test]
fn second_madt_and_ragged_root_are_reported() {
    let mut pointers = MADT.to_le_bytes().to_vec();
    pointers.extend_from_slice(&(MADT + 0x4000).to_le_bytes());
    pointers.extend_from_slice(&[1, 2, 3]);
    let memory = machine(madt(&[lapic(0, ENABLED)]))
        .with(ROOT, table(b"XSDT", &pointers))
        .with(MADT + 0x4000, madt(&[lapic(0, ENABLED), lapic(1, ENABLED)]));
    let topology = discover(&memory, 0).unwrap();
    assert_eq!(topology.cores().len(), 1);
    let expected = [
        Finding::RaggedRootTable { bytes: 3 },
        Finding::SecondMadt {
            address: MADT + 0x4000,
        },
    ];
    assert_eq!(topology.findings().as_slice(), expected);
}

#[test]
fn vendor_strings_that_are_not_text_do_not_matter() {
    let mut odd = madt(&[lapic(0, ENABLED), lapic(1, ENABLED)]);
    odd[10..24].fill(0xff);
    sign(&mut odd, 9);
    let mut root = table(b"XSDT", &MADT.to_le_bytes());
    root[12] = 0x80;
    sign(&mut root, 9);
    let mut odd_rsdp = rsdp(2, 0, ROOT);
    odd_rsdp[9] = 0xfe;
    sign(&mut odd_rsdp[..20], 8);
    sign(&mut odd_rsdp, 32);
    let topology = discover(&machine(odd).with(ROOT, root).with(RSDP, odd_rsdp), 0).unwrap();
    assert_eq!(topology.cores().len(), 2);
}

#[test]
fn unusable_tables_name_what_is_wrong() {
    let good = machine(madt(&[lapic(0, ENABLED)]));
    let mut bad_sum = rsdp(2, 0, ROOT);
    bad_sum[17] ^= 0x55;
    let no_rsdp = good.clone().with(RSDP, vec![0; 64]);
    let no_root = good.clone().with(ROOT, table(b"SSDT", &[]));
    let tiny_madt = good.clone().with(MADT, table(b"APIC", &[0; 4]));
    let cases = [
        (Fixture::default(), TablesError::RsdpUnreadable),
        (no_rsdp, TablesError::RsdpInvalid),
        (good.clone().with(RSDP, bad_sum), TablesError::RsdpInvalid),
        (no_root, TablesError::NoRootTable),
        (tiny_madt, TablesError::NoMadt),
        (good.with(ROOT, table(b"XSDT", &[])), TablesError::NoMadt),
    ];
    for (memory, error) in cases {
        assert_eq!(discover(&memory, 0), Err(error));
        let alone = Topology::bsp_alone(ApicId(3), error);
        assert_eq!((alone.cores().len(), alone.aps().len()), (1, 0));
    }
}

/// Tables whose length fields lie about the memory behind them.
#[test]
fn lying_lengths_are_refused() {
    let good = machine(madt(&[lapic(0, ENABLED)]));
    for length in [0_u32, 1, 35, 53, 0x10_0000, u32::MAX] {
        let mut lying = madt(&[lapic(0, ENABLED)]);
        lying[4..8].copy_from_slice(&length.to_le_bytes());
        sign(&mut lying, 9);
        assert_eq!(
            discover(&good.clone().with(MADT, lying), 0),
            Err(TablesError::NoMadt),
            "{length}"
        );
        let mut lying = table(b"XSDT", &MADT.to_le_bytes());
        lying[4..8].copy_from_slice(&length.to_le_bytes());
        sign(&mut lying, 9);
        let error = discover(&good.clone().with(ROOT, lying), 0).unwrap_err();
        assert_eq!(error, TablesError::NoRootTable, "{length}");
    }
}

/// Random damage, with checksums mended in half of the cases so that it is not refused at the door.
#[test]
fn no_mutation_breaks_the_invariants() {
    for seed in 0..20_000 {
        let mut rng = Rng::new(seed);
        let entries: Vec<_> = (0..6)
            .map(|i| {
                if i % 2 == 0 {
                    lapic(i, 1)
                } else {
                    x2apic(i.into(), 1)
                }
            })
            .collect();
        let mut memory = machine(madt(&entries));
        for (_, bytes) in &mut memory.0 {
            for _ in 0..rng.below(4) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] = [0, 1, 2, 0xff, rng.next() as u8][rng.below(5) as usize];
            }
            if rng.one_in(8) {
                bytes.truncate(rng.below(bytes.len() as u64) as usize);
            }
            if rng.one_in(2) && bytes.len() > 36 {
                sign(bytes, 9);
            }
        }
        let Ok(topology) = discover(&memory, 2) else {
            continue;
        };
        assert_eq!(
            topology.cores()[0],
            Core {
                id: CoreId::BSP,
                apic: ApicId(2)
            },
            "seed {seed}"
        );
        assert!(topology.cores().len() <= 8, "seed {seed}");
        assert!(topology.findings().as_slice().len() <= MAX_FINDINGS);
        for core in topology.cores() {
            assert_eq!(
                topology.by_apic(core.apic),
                Some(core.id),
                "seed {seed}: an id twice"
            );
        }
    }
}
