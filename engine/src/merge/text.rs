//! The three-way merge of two texts by their lines. Where both changed the same lines, both stand: the
//! hub's first, then what the other added. Merging the same texts into the outcome again changes nothing.

use std::ops::Range;

/// Lines of the two texts multiplied, beyond which nobody wants to wait.
const MOST_CELLS: usize = 4_000_000;

/// Lines of the base that one side replaced by others.
struct Edit {
    at: Range<usize>,
    by: Range<usize>,
}

/// Rounds until a merge must have come to rest.
const MOST_ROUNDS: usize = 8;

/// The text of both; `None` for texts that are too long to compare, and for such whose lines repeat so
/// that merging the outcome with the same text again would go on adding.
pub(super) fn merge_lines(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let mut text = once(base, ours, theirs)?;
    for _ in 0..MOST_ROUNDS {
        let next = once(base, &text, theirs)?;
        if next == text {
            return Some(text);
        }
        text = next;
    }
    None
}

fn once(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let mine = edits(&base, &ours)?;
    let other = edits(&base, &theirs)?;
    let (mut left, mut right) = (mine.iter().peekable(), other.iter().peekable());
    let mut merged: Vec<&str> = Vec::new();
    let mut at = 0;
    loop {
        let start = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) => one.at.start.min(other.at.start),
            (Some(one), None) | (None, Some(one)) => one.at.start,
            (None, None) => break,
        };
        merged.extend(&base[at..start]);
        // Everything that touches is decided together.
        let mut end = start;
        let (mut by_us, mut by_them) = (Vec::new(), Vec::new());
        loop {
            let mut is_grown = false;
            for (edits, taken) in [(&mut left, &mut by_us), (&mut right, &mut by_them)] {
                while let Some(edit) = edits.next_if(|edit| edit.at.start <= end) {
                    end = end.max(edit.at.end);
                    taken.push(edit);
                    is_grown = true;
                }
            }
            if !is_grown {
                break;
            }
        }
        let was = &base[start..end];
        let our_lines = applied(&base, start..end, &by_us, &ours);
        let their_lines = applied(&base, start..end, &by_them, &theirs);
        if by_us.is_empty() {
            merged.extend(their_lines);
        } else {
            let added = |line: &&&str| !our_lines.contains(*line) && !was.contains(*line);
            let added: Vec<&str> = their_lines.iter().filter(added).copied().collect();
            merged.extend(our_lines);
            merged.extend(added);
        }
        at = end;
    }
    merged.extend(&base[at..]);
    Some(merged.join("\n"))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

/// Part of the base with a side's edits in it.
fn applied<'t>(
    base: &[&'t str],
    part: Range<usize>,
    edits: &[&Edit],
    side: &[&'t str],
) -> Vec<&'t str> {
    let (mut made, mut at) = (Vec::new(), part.start);
    for edit in edits {
        made.extend(&base[at..edit.at.start]);
        made.extend(&side[edit.by.clone()]);
        at = edit.at.end;
    }
    made.extend(&base[at..part.end]);
    made
}

/// What one side made of the base, by the longest sequence of lines that both have.
fn edits(base: &[&str], side: &[&str]) -> Option<Vec<Edit>> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = base.iter().zip(side).take_while(same).count();
    let tail = base[head..].iter().rev().zip(side[head..].iter().rev());
    let tail = tail.take_while(same).count();
    let (from, to) = (
        &base[head..base.len() - tail],
        &side[head..side.len() - tail],
    );
    let width = to.len() + 1;
    let cells = (from.len() + 1).checked_mul(width)?;
    if cells > MOST_CELLS {
        return None;
    }
    // Length of the longest common sequence of what follows.
    let mut common = vec![0_u32; cells];
    for row in (0..from.len()).rev() {
        for column in (0..to.len()).rev() {
            let place = row * width + column;
            common[place] = if from[row] == to[column] {
                common[place + width + 1] + 1
            } else {
                common[place + width].max(common[place + 1])
            };
        }
    }
    let (mut edits, mut row, mut column): (Vec<Edit>, usize, usize) = (Vec::new(), 0, 0);
    while row < from.len() || column < to.len() {
        if row < from.len() && column < to.len() && from[row] == to[column] {
            row += 1;
            column += 1;
            continue;
        }
        let (begun, written) = (row, column);
        while row < from.len() || column < to.len() {
            let is_same = row < from.len() && column < to.len() && from[row] == to[column];
            if is_same {
                break;
            }
            let place = row * width + column;
            let goes_down = column == to.len()
                || row < from.len() && common[place + width] >= common[place + 1];
            if goes_down {
                row += 1;
            } else {
                column += 1;
            }
        }
        edits.push(Edit {
            at: head + begun..head + row,
            by: head + written..head + column,
        });
    }
    Some(edits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::merge_lines;

    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        merge_lines(base, ours, theirs).unwrap()
    }

    #[test]
    fn edits_of_different_lines_both_stand_and_of_one_line_too() {
        let base = "one\ntwo\nthree\nfour";
        let ours = "one, ours\ntwo\nthree\nfour";
        assert_eq!(
            merged(base, ours, "one\ntwo\nthree\nfour, theirs"),
            "one, ours\ntwo\nthree\nfour, theirs"
        );
        assert_eq!(
            merged(base, ours, "one, theirs\ntwo\nthree\nfour"),
            "one, ours\none, theirs\ntwo\nthree\nfour"
        );
        assert_eq!(merged(base, base, "two\nfour"), "two\nfour");
        assert_eq!(merged(base, "two\nthree\nfour", base), "two\nthree\nfour");
        assert_eq!(merged("", "ours", "theirs"), "ours\ntheirs");
        assert_eq!(merged("was", "", "theirs"), "theirs");
        assert_eq!(merged("was", "ours", ""), "ours");
    }

    #[test]
    fn texts_too_long_to_compare_are_left_to_a_person() {
        let lines = |word: &str| {
            let lines: Vec<String> = (0..3_000).map(|line| format!("{word} {line}")).collect();
            lines.join("\n")
        };
        assert_eq!(merge_lines(&lines("a"), &lines("b"), "c"), None);
        // What both have at both ends costs nothing.
        let long = lines("a");
        assert_eq!(
            merged(&long, &format!("{long}\nb"), &long),
            format!("{long}\nb")
        );
    }

    /// Lines of which none comes twice, in one order.
    fn distinct() -> impl Strategy<Value = String> {
        prop::collection::btree_set("[a-j]", 0..8)
            .prop_map(|lines| lines.into_iter().collect::<Vec<_>>().join("\n"))
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec("[a-d]", 0..7).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn what_either_side_added_is_in_it_and_a_second_time_changes_nothing(
            base in text(), ours in text(), theirs in text()
        ) {
            let Some(once) = merge_lines(&base, &ours, &theirs) else {
                return Ok(());
            };
            for side in [&ours, &theirs] {
                for line in side.lines().filter(|line| !base.lines().any(|was| was == *line)) {
                    prop_assert!(once.lines().any(|kept| kept == line), "{line} is lost: {once:?}");
                }
            }
            prop_assert_eq!(&merged(&base, &once, &theirs), &once);
            prop_assert_eq!(&merged(&base, &ours, &base), &ours);
            prop_assert_eq!(&merged(&base, &base, &theirs), &theirs);
            prop_assert_eq!(&merged(&base, &ours, &ours), &ours);
        }

        #[test]
        fn lines_that_do_not_repeat_can_always_be_merged(
            base in distinct(), ours in distinct(), theirs in distinct()
        ) {
            prop_assert!(merge_lines(&base, &ours, &theirs).is_some());
        }
    }
}
