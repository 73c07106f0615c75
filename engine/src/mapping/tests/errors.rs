//! What a person reads who mistyped.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::text;
use crate::mapping::Mapping;

fn errors(text: &str) -> String {
    Mapping::parse(text).unwrap_err().to_string()
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = r#"system = "peer"
strem = "Thing"
entity = 5
first_contact = "both"

[link]
strong = "domain"

[[field]]
core = "name"
remote = "Name"
in = "trimm | lower"
polcy = "newest"

[[field]]
core = "tags"
remote = ["A", 7]
direction = "both"
in = "split(';') | lookup(plan_code) "

[[field]]
remote = ""
owner = "core"
policy = "max"
null = "maybe"

[table.plan_codes]
P1 = "Premium"
P2 = ["x"]
"#;
    assert_snapshot!(errors(text), @r##"
line 1, column 1: a mapping needs `stream`
line 2, column 1: unknown key `strem` in a mapping; did you mean `stream`?
line 3, column 10: `entity` must be a text, found a number
line 4, column 17: `first_contact` is one of `remote`, `core`, `ask`, not `both`
line 6, column 1: `[link]` needs `key`
line 12, column 7: unknown transform `trimm`; did you mean `trim`?
line 13, column 1: unknown key `polcy` in a field; did you mean `policy`?
line 17, column 16: `remote` holds something that is no text
line 19, column 27: unknown table `plan_code`; did you mean `plan_codes`?
line 21, column 1: a field needs `core`
line 22, column 10: `remote` is empty
line 24, column 10: a field has an `owner` or a `policy`: an owner always wins
line 25, column 8: `null` is one of `clear`, `ignore`, not `maybe`
line 29, column 6: expected a text, a number, true or false, found a list
"##);
}

#[test]
fn a_mistake_inside_a_pipe_is_told_where_it_is() {
    let row = |pipe: &str| {
        errors(&text(&format!(
            "[[field]]\ncore = \"name\"\nremote = \"Name\"\nin = {pipe}\n"
        )))
    };
    let pipes = [
        r#""trim || lower""#,
        r#""trim lower""#,
        r#""default(\"x\"""#,
        r#""replace(\"é\", \"e\") | lowr""#,
        r#"'replace("", "e")'"#,
        r#"'default("x) '"#,
        r#"'default("\q")'"#,
        r#"'multiply(0)'"#,
        r#"'round(1.2.3)'"#,
        r#"'round(99)'"#,
        r#"'parse_date("%d.%m")'"#,
        r#"'lookup(nowhere)'"#,
        r#"'boolean("Yes", "yes")'"#,
        r#"'default(name)'"#,
        "\"\"\"\ntrim |\n  lowr\"\"\"",
    ];
    let told: Vec<String> = pipes
        .iter()
        .map(|pipe| format!("{pipe}\n    {}", row(pipe)))
        .collect();
    assert_snapshot!(told.join("\n"), @r##"
"trim || lower"
    line 11, column 13: expected the name of a transform
"trim lower"
    line 11, column 12: expected `|` between two steps
"default(\"x\""
    line 11, column 20: expected `,` or `)`
"replace(\"é\", \"e\") | lowr"
    line 11, column 31: unknown transform `lowr`; did you mean `lower`?
'replace("", "e")'
    line 11, column 7: `replace` is called replace("from", "to"), from not empty
'default("x) '
    line 11, column 15: the text is not closed
'default("\q")'
    line 11, column 16: after `\` in a text: one of `"`, `\`, `n`, `t`
'multiply(0)'
    line 11, column 7: `multiply` is called multiply(number), not by zero
'round(1.2.3)'
    line 11, column 13: not a number that can be kept exactly
'round(99)'
    line 11, column 7: `round` is called round(digits), at most 28
'parse_date("%d.%m")'
    line 11, column 7: `parse_date` is called parse_date("%Y-%m-%d"), with each of %Y, %m, %d once
'lookup(nowhere)'
    line 11, column 14: unknown table `nowhere`
'boolean("Yes", "yes")'
    line 11, column 7: `boolean` is called boolean("yes", "no")
'default(name)'
    line 11, column 7: `default` is called default(value)
"""
trim |
  lowr"""
    line 13, column 3: unknown transform `lowr`; did you mean `lower`?
"##);
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let told: Vec<String> = [
        "system = ",
        "a = 1\na = 2\n",
        "[[field]\ncore = \"x\"",
        "x = \"a\nb\"",
        "",
        "field = 3\nlink = 4\n",
    ]
    .iter()
    .map(|text| format!("{text:?}\n{}", errors(text)))
    .collect();
    assert_snapshot!(told.join("\n"), @r##"
"system = "
line 1, column 10: string values must be quoted, expected literal string
"a = 1\na = 2\n"
line 2, column 1: duplicate key
"[[field]\ncore = \"x\""
line 1, column 9: unclosed array table, expected `]`
"x = \"a\nb\""
line 1, column 7: invalid basic string, expected `"`
line 2, column 2: invalid unquoted key, expected letters, numbers, `-`, `_`
line 2, column 3: key with no value, expected `=`
""
line 1, column 1: a mapping needs `system`
line 1, column 1: a mapping needs `stream`
line 1, column 1: a mapping needs `entity`
line 1, column 1: a mapping needs a table `[link]`
line 1, column 1: a mapping needs at least one `[[field]]`
"field = 3\nlink = 4\n"
line 1, column 1: a mapping needs `system`
line 1, column 1: a mapping needs `stream`
line 1, column 1: a mapping needs `entity`
line 1, column 9: a field begins with `[[field]]`
line 2, column 8: `[link]` must be a table, found a number
"##);
}

#[test]
fn sizes_are_bounded() {
    let long = "#".repeat(2 << 20);
    assert!(errors(&long).contains("at most 1048576 bytes"));
    let row = "[[field]]\ncore = \"name\"\nremote = \"Name\"\n";
    assert!(errors(&text(&row.repeat(1001))).contains("at most 1000 fields"));
    let steps = ["trim"; 17].join(" | ");
    assert!(errors(&text(&format!("{row}in = \"{steps}\"\n"))).contains("at most 16 steps"));
    let literal = "x".repeat(257);
    assert!(errors(&text(&format!("{row}in = \"prefix('{literal}')\"\n"))).contains("256 bytes"));
    let nested = format!("x = {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(!errors(&nested).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(
        noise in ".{0,60}",
        pipe in "[a-z_]{0,12}[(]?[\"'\\\\a-zäé0-9%,.-]{0,20}[)]?( [|] [a-z]{0,8})?",
        quote in "\"|'|\"\"\"|'''",
        at in 0_usize..400,
    ) {
        let mut text = text(&format!(
            "[[field]]\ncore = \"name\"\nremote = \"Name\"\nin = {quote}{pipe}{quote}\n"
        ));
        let _whatever = Mapping::parse(&text).is_ok();
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert_str(at, &noise);
        if let Err(errors) = Mapping::parse(&text) {
            let lines = u32::try_from(text.lines().count()).unwrap() + 1;
            for error in errors.0 {
                prop_assert!(error.place.line >= 1 && error.place.line <= lines);
                prop_assert!(error.place.column >= 1);
            }
        }
    }
}
