//! What the back end's code looks like and what its side tables say.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod exec;

use exec::{Machine, Outcome, Place, Signal, cpu, disassemble, old_cpu};
use jit::tier::opt::backend;
use jit::tier::{Compiled, CpuFeatures, Declined, Job, Tier};

fn alone(job: &Job<'_>) -> Result<Compiled, Declined> {
    let body = job.function().body.as_ref().expect("a definition");
    backend::compile(job, body, Tier::O1)
}

/// The code of function `f`.
fn compile(text: &str, cpu: CpuFeatures, counting: bool) -> Compiled {
    let module = exec::parse(text);
    let place = Place::new(&module);
    let func = module.func_by_name("f").unwrap();
    let all = exec::compile_with(alone, &module, &place, cpu, counting).unwrap();
    all.into_iter().nth(func.index()).unwrap().unwrap()
}

/// Mnemonics and operands, without offsets.
fn lines(text: &str, cpu: CpuFeatures) -> Vec<String> {
    let listing = disassemble(&compile(text, cpu, false));
    listing.lines().map(|line| line[6..].to_string()).collect()
}

#[test]
fn a_leaf_function_has_no_frame() {
    let text = "define i32 @f(i32 %a, i32 %b) {\nentry:\n  %s = add i32 %a, %b\n  ret i32 %s\n}";
    let code = lines(text, cpu());
    assert_eq!(code, ["lea eax,[rdi+rsi]", "ret"]);
    let tables = compile(text, cpu(), false).tables;
    assert_eq!((tables.frame_size, tables.has_frame_pointer), (8, false));
}

#[test]
fn an_address_becomes_one_operand() {
    let text = "
define i32 @f(ptr %p, i32 %i) {
entry:
  %j = add i32 %i, 3
  %q = ptradd inbounds %p, %j * 4, 8
  %v = load i32, %q, align 4
  ret i32 %v
}";
    // 0x67: an index has no sign in its register.
    assert_eq!(lines(text, cpu())[0], "mov eax,[edi+esi*4+14h]");
}

#[test]
fn a_promised_offset_needs_no_prefix_and_another_does() {
    let text = |flag: &str| {
        format!(
            "define i32 @f(ptr %p) {{\nentry:\n  %q = ptradd {flag} %p, 8\n  %v = load i32, %q, \
             align 4\n  ret i32 %v\n}}"
        )
    };
    assert_eq!(lines(&text("inbounds"), cpu())[0], "mov eax,[rdi+8]");
    assert_eq!(lines(&text(""), cpu())[0], "mov eax,[edi+8]");
}

#[test]
fn a_comparison_is_made_where_it_is_used() {
    let text = "
define i32 @f(ptr %p, i32 %a) {
entry:
  %v = load i32, %p, align 4
  %c = icmp slt i32 %v, 7
  %s = select i1 %c, i32 %a, 1
  ret i32 %s
}";
    let code = lines(text, cpu()).join("\n");
    assert!(code.contains("cmp dword ptr [rdi],7\ncmovl"), "{code}");
}

#[test]
fn what_has_zeros_above_is_not_extended_again() {
    let text = "define i32 @f(i8 %a, i8 %b) {\nentry:\n  %m = and i8 %a, 7\n  %x = zext i8 %m to i32\n  \
                %n = and i8 %b, -4\n  %y = zext i8 %n to i32\n  %l = lshr i8 %b, 3\n  \
                %z = zext i8 %l to i32\n  %s = mul i32 %x, %y\n  %t = add i32 %s, %z\n  ret i32 %t\n}";
    let code = lines(text, cpu());
    let extensions = code.iter().filter(|line| line.starts_with("movzx")).count();
    // Of the mask with the highest bit, and of what is shifted.
    assert_eq!(extensions, 2, "{code:#?}");
    for (a, b) in [(0xff, 0xff), (0x85, 0x7e), (7, 0x80)] {
        exec::check_text(text, &[a, b]);
    }
}

#[test]
fn a_load_is_not_moved_over_a_store() {
    let text = "
define i32 @f(ptr %p, i32 %a) {
entry:
  %v = load i32, %p, align 4
  store i32 %a, %p, align 4
  %s = add i32 %a, %v
  ret i32 %s
}";
    let code = lines(text, cpu());
    let load = code
        .iter()
        .position(|line| line.contains(",[rdi]"))
        .unwrap();
    let store = code
        .iter()
        .position(|line| line.contains("[rdi],"))
        .unwrap();
    assert!(load < store, "{code:?}");
}

#[test]
fn memory_is_updated_in_place() {
    let text = "
define void @f(ptr %p, i32 %a) {
entry:
  %v = load i32, %p, align 4
  %s = add i32 %v, %a
  store i32 %s, %p, align 4
  ret
}";
    assert_eq!(lines(text, cpu()), ["add [rdi],esi", "ret"]);
}

#[test]
fn shifts_take_any_count_register_where_the_cpu_can() {
    let text = "define i32 @f(i32 %a, i32 %n) {\nentry:\n  %s = shl i32 %a, %n\n  ret i32 %s\n}";
    let new = CpuFeatures {
        bmi2: true,
        ..old_cpu()
    };
    assert_eq!(lines(text, new)[0], "shlx eax,edi,esi");
    assert!(
        lines(text, old_cpu())
            .iter()
            .any(|line| line == "shl eax,cl")
    );
}

const LOOP: &str = "
define i32 @f(i32 %n) {
entry:
  br head
head:
  %i = phi i32 [0, entry], [%next, body]
  %s = phi i32 [0, entry], [%sum, body]
  %c = icmp slt i32 %i, %n
  condbr %c, body, done
body:
  %sum = add i32 %s, %i
  %next = add i32 %i, 1
  br head
done:
  ret i32 %s
}";

#[test]
fn an_iteration_takes_one_jump() {
    let code = lines(LOOP, cpu());
    let jumps = code.iter().filter(|line| line.starts_with('j')).count();
    // One into the loop, to the test at its bottom.
    assert_eq!(jumps, 2, "{code:?}");
    let test = code.iter().position(|line| line.starts_with("jl")).unwrap();
    let first = code
        .iter()
        .position(|line| line.starts_with("jmp"))
        .unwrap();
    assert!(first < test);
}

#[test]
fn a_counted_loop_lists_what_lives_at_its_header() {
    let tables = compile(LOOP, cpu(), true).tables;
    assert!(tables.has_frame_pointer);
    let [point] = tables.loops.as_slice() else {
        panic!("{:?}", tables.loops)
    };
    assert_eq!(point.header, ir::BlockId(1));
    // i, s and n.
    assert_eq!(tables.homes_at(point).count(), 3);
    let mut offsets: Vec<i32> = tables.homes_at(point).map(|home| home.offset).collect();
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets.len(), 3, "each has a home of its own");
    let lowest = -(tables.frame_size as i32 - 16);
    assert!(
        offsets.iter().all(|offset| (lowest..0).contains(offset)),
        "{offsets:?}"
    );
}

#[test]
fn the_side_table_names_the_instruction_that_faults() {
    let text = "
define i32 @f(i32 %a, i32 %b) {
entry:
  %p = inttoptr i32 %a to ptr
  %v = load i32, %p, align 4
  %q = udiv i32 %v, %b
  ret i32 %q
}";
    let module = exec::parse(text);
    let place = Place::new(&module);
    let func = module.func_by_name("f").unwrap();
    let all = exec::compile_with(alone, &module, &place, cpu(), false).unwrap();
    for (args, signal, inst) in [
        ([8, 1], Signal::Access, 1),
        ([u64::from(jit::abi::SLOTS), 0], Signal::Division, 2),
    ] {
        let mut machine = Machine::get();
        machine.load(&module, &place, &all);
        let outcome = machine.call(&module, func, &args);
        assert_eq!(outcome, Outcome::Faulted(signal));
        let at = machine.fault_offset();
        let insts = &all[func.index()].as_ref().unwrap().tables.insts;
        let entry = insts
            .iter()
            .rev()
            .find(|entry| u64::from(entry.0) <= at)
            .unwrap();
        assert_eq!(entry.1, ir::InstId(inst));
    }
}

#[test]
fn a_huge_frame_is_declined_by_name() {
    let text = "
define void @f(ptr %p) {
entry:
  %a = alloca i32, size 16777216, align 4
  store ptr %a, %p, align 4
  ret
}";
    let module = exec::parse(text);
    let place = Place::new(&module);
    let why = exec::compile_with(alone, &module, &place, cpu(), false).unwrap_err();
    assert_eq!(why, Declined::LimitExceeded("frame size"));
}

/// Four elements of the largest size (`MAX_BYTES`) overflow 32 bits, and one the stack.
#[test]
fn a_dynamic_object_may_have_the_largest_elements() {
    let text = "define i32 @f(i32 %n) {
entry:
  %p = dynalloca i32 %n, size 1073741824, align 16
  %q = dynalloca i32 1, size 16, align 16
  store i32 7, %q, align 4
  %keeps = icmp ugt i32 %n, 1000
  condbr %keeps, touch, done
touch:
  store i32 1, %p, align 4 volatile
  br done
done:
  %v = load i32, %q, align 4
  ret i32 %v
}";
    for (n, outcome) in [
        (0, Outcome::Returned(7)),
        (1, Outcome::Faulted(Signal::Access)),
        (4, Outcome::Faulted(Signal::Access)),
    ] {
        assert_eq!(exec::check_text(text, &[n]), outcome);
    }
}

#[test]
fn a_dense_switch_goes_through_a_table() {
    let cases: String = (0..8).map(|n| format!("{n}: b{n}, ")).collect();
    let blocks: String = (0..8)
        .map(|n| format!("b{n}:\n  ret i32 {}\n", n * n + 3))
        .collect();
    let text = format!(
        "define i32 @f(i32 %a) {{\nentry:\n  switch i32 %a, other, {}\n{blocks}other:\n  \
         ret i32 -1\n}}",
        cases.trim_end_matches(", ")
    );
    for a in [0, 3, 7, 8, 0xffff_ffff] {
        let module = exec::parse(&text);
        let func = module.func_by_name("f").unwrap();
        exec::check_with(alone, &module, func, &[a], &[cpu()]);
    }
    assert_eq!(compile(&text, cpu(), false).rodata.len(), 32);
}

/// An interpreter of four operations whose dispatch is one computed goto: `dispatch` of `%to`, the
/// number of the block, which is 3 for the first of them.
fn interpreter(dispatch: &str) -> String {
    let list = |of: fn(u32) -> String| (0..4).map(of).collect::<String>();
    format!(
        "define i32 @f(i32 %n) {{\nentry:\n  br head\nhead:\n  \
         %i = phi i32 [%n, entry]{}\n  %sum = phi i32 [7, entry]{}\n  \
         %last = icmp eq i32 %i, 0\n  %kind = and i32 %i, 3\n  %number = add i32 %kind, 3\n  \
         %next = select i1 %last, i32 7, %number\n  %to = inttoptr i32 %next to ptr\n  \
         {dispatch}\n{}done:\n  ret i32 %sum\ntrap:\n  unreachable\n}}",
        list(|n| format!(", [%i{n}, op{n}]")),
        list(|n| format!(", [%s{n}, op{n}]")),
        list(|n| format!(
            "op{n}:\n  %i{n} = sub i32 %i, 1\n  %m{n} = mul i32 %sum, {}\n  \
             %s{n} = add i32 %m{n}, %i\n  br head\n",
            2 * n + 3
        )),
    )
}

#[test]
fn each_operation_of_an_interpreter_jumps_by_itself() {
    // As the loader has it.
    let switch = "%block = ptrtoint ptr %to to i32\n  \
                  switch i32 %block, trap, 3: op0, 4: op1, 5: op2, 6: op3, 7: done";
    for dispatch in ["indirectbr %to, op0, op1, op2, op3, done", switch] {
        each_operation_jumps(&interpreter(dispatch));
    }
}

fn each_operation_jumps(text: &str) {
    for counting in [false, true] {
        let compiled = compile(text, cpu(), counting);
        let listing = disassemble(&compiled);
        let jumps = listing
            .lines()
            .filter(|line| line[6..].starts_with("jmp r"));
        assert_eq!(jumps.count(), 5, "{listing}");
        assert_eq!(compiled.tables.loops.len(), usize::from(counting));
    }
    let module = exec::parse(text);
    let func = module.func_by_name("f").unwrap();
    for n in [0, 1, 2, 3, 4, 1001] {
        exec::check_with(alone, &module, func, &[n], &[cpu(), old_cpu()]);
    }
}
