//! Delta debugging on lists of texts: leave out as much as possible while a test still says yes.
//!
//! Zeller's ddmin in its simple form: chunks of half the list, of a quarter, … of one element are left out if
//! the rest passes the test; after a pass of single elements in which something went, another one. The
//! number of tests is bounded, so a reduction ends; what it has reached by then is still a failing case.

/// How many more tests there may be.
#[derive(Debug)]
pub(super) struct Budget(pub(super) u32);

impl Budget {
    /// Takes one test from the budget; false when there is none.
    pub(super) fn take(&mut self) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        left
    }
}

/// The shortest list found whose concatenation passes `test`; `units` does.
pub(super) fn shrink(
    mut units: Vec<String>,
    budget: &mut Budget,
    test: &mut dyn FnMut(&str) -> bool,
) -> Vec<String> {
    let mut chunk = units.len().div_ceil(2);
    while chunk > 0 {
        let before = units.len();
        let mut at = 0;
        while at < units.len() {
            if !budget.take() {
                return units;
            }
            let end = (at + chunk).min(units.len());
            let rest: String = units[..at].iter().chain(&units[end..]).cloned().collect();
            if test(&rest) {
                units.drain(at..end);
            } else {
                at = end;
            }
        }
        if chunk > 1 || units.len() == before {
            chunk /= 2;
        }
    }
    units
}

/// Texts that begin at lines on which no brace is open: functions, declarations, types.
pub(super) fn top_level(text: &str) -> Vec<String> {
    let (mut units, mut depth) = (vec![String::new()], 0i64);
    for line in text.split_inclusive('\n') {
        if depth <= 0 {
            units.push(String::new());
        }
        if let Some(last) = units.last_mut() {
            last.push_str(line);
        }
        depth += line.matches('{').count() as i64 - line.matches('}').count() as i64;
    }
    units.retain(|unit| !unit.is_empty());
    units
}

/// The lines of a text.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// Tries to replace each line by each of the lines that `simpler` offers for it.
pub(super) fn simplify(
    mut lines: Vec<String>,
    budget: &mut Budget,
    simpler: fn(&str) -> Vec<String>,
    test: &mut dyn FnMut(&str) -> bool,
) -> Vec<String> {
    for at in 0..lines.len() {
        for new in simpler(&lines[at]) {
            if !budget.take() {
                return lines;
            }
            let old = std::mem::replace(&mut lines[at], new);
            if !test(&lines.concat()) {
                lines[at] = old;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_test_wants_is_left() {
        let units = (0..100).map(|n| format!("{n}\n")).collect();
        let wanted = ["17\n", "63\n", "64\n"];
        let mut test = |text: &str| wanted.iter().all(|line| text.contains(line));
        let left = shrink(units, &mut Budget(10_000), &mut test);
        assert_eq!(left, wanted);
    }

    #[test]
    fn an_exhausted_budget_leaves_a_list_that_passes() {
        let units: Vec<String> = (0..64).map(|n| format!("<{n}>")).collect();
        let mut test = |text: &str| text.contains("<40>");
        let left = shrink(units, &mut Budget(3), &mut test);
        assert!(left.len() < 64 && left.contains(&"<40>".to_owned()));
    }

    #[test]
    fn a_function_is_one_unit() {
        let text = "int a;\nint f(void) {\n  return 1;\n}\nint g(void) { return 2; }\n";
        let units = top_level(text);
        assert_eq!(units.len(), 3);
        assert!(units[1].starts_with("int f") && units[1].ends_with("}\n"));
    }
}
