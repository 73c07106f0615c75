//! Examples in the documentation are tests. Rustdoc reads a whole crate before it knows that it has
//! none, which takes longer than all examples together; so a crate without any says
//! `doctest = false`, and one that says so has none.

use std::path::Path;

#[test]
fn a_crate_whose_examples_are_not_run_has_none() {
    let files = house::files().unwrap();
    let mut findings = Vec::new();
    for manifest in files.iter().filter(|file| file.is(&["/Cargo.toml"])) {
        if !manifest.text().unwrap().contains("doctest = false") {
            continue;
        }
        let sources = Path::new(&manifest.name).with_file_name("src");
        for file in &files {
            if !file.is(&[".rs"]) || !Path::new(&file.name).starts_with(&sources) {
                continue;
            }
            let text = file.text().unwrap();
            let mut blocks = Blocks::default();
            for (at, line) in text.lines().enumerate() {
                if blocks.begins_an_example(line) {
                    findings.push(format!("{}:{}", file.name, at + 1));
                }
            }
        }
    }
    house::assert_none(
        "examples that `doctest = false` keeps from being run",
        &findings,
    );
}

/// Where a reader of documentation is: inside a fenced block or not.
#[derive(Default)]
struct Blocks {
    is_fenced: bool,
}

impl Blocks {
    /// Rather too often than too seldom: a fence that is not of text, a line that is set in far
    /// enough to be code, a text from elsewhere.
    fn begins_an_example(&mut self, line: &str) -> bool {
        let line = line.trim_start();
        let Some(text) = line.strip_prefix("///").or(line.strip_prefix("//!")) else {
            self.is_fenced = false;
            return line.contains("[doc =") || line.starts_with("/**") || line.starts_with("/*!");
        };
        let fence = text
            .trim_start()
            .strip_prefix("```")
            .or(text.trim_start().strip_prefix("~~~"));
        if let Some(language) = fence {
            self.is_fenced = !self.is_fenced;
            return self.is_fenced && !["text", "sql", "toml", "json"].contains(&language);
        }
        !self.is_fenced && (text.starts_with("     ") || text.starts_with('\t'))
    }
}

#[test]
fn every_way_to_write_an_example_is_seen() {
    for line in [
        "    /// ```",
        "//! ```no_run",
        "/// ~~~",
        "///     let set_in = 1;",
        "///\tlet set_in = 1;",
        "#![doc = include_str!(\"../README.md\")]",
        "/** A block. */",
    ] {
        assert!(Blocks::default().begins_an_example(line), "{line}");
    }
    for line in [
        "/// Words.",
        "/// ```text",
        "// ``` no documentation",
        "let x = 1;",
    ] {
        assert!(!Blocks::default().begins_an_example(line), "{line}");
    }
}
