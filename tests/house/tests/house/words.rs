//! What is unfinished is an issue, not a mark in the source; a test that does not run is no test.

use house::SourceFile;

/// In two halves, so that this file does not find itself.
const MARKS: [(&str, &str); 5] = [
    ("TO", "DO"),
    ("FIX", "ME"),
    ("#[ign", "ore"),
    ("todo", "!("),
    ("unimple", "mented!("),
];

fn is_program(file: &SourceFile) -> bool {
    file.is(&[
        ".rs", ".ts", ".tsx", ".js", ".sql", ".sh", ".py", ".css", ".toml", ".ci/run",
    ])
}

#[test]
fn nothing_is_marked_as_unfinished() {
    let marks = MARKS.map(|(start, end)| format!("{start}{end}"));
    let mut findings = Vec::new();
    for file in house::sources()
        .unwrap()
        .iter()
        .filter(|file| is_program(file))
    {
        for (number, line) in file.text().unwrap().lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| has_word(line, mark)) {
                findings.push(format!("{}:{}: {mark}", file.name, number + 1));
            }
        }
    }
    house::assert_none("marks of unfinished work", &findings);
}

/// Whether `mark` stands in the line and is not the middle of a longer word.
fn has_word(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let goes_on =
            letter(mark.chars().next_back()) && letter(line[at + mark.len()..].chars().next());
        !goes_on && !letter(line[..at].chars().next_back())
    })
}

#[test]
fn tests_are_not_skipped_in_the_console() {
    let mut findings = Vec::new();
    for file in house::sources()
        .unwrap()
        .iter()
        .filter(|file| file.is(&[".ts", ".tsx", ".js"]))
    {
        let text = file.text().unwrap();
        for call in ["it", "test", "describe"] {
            for how in ["skip(", "only(", "fixme("] {
                let skipped = format!("{call}.{how}");
                if text.lines().any(|line| has_word(line, &skipped)) {
                    findings.push(format!("{}: {skipped}…)", file.name));
                }
            }
        }
    }
    house::assert_none("tests that do not run", &findings);
}
