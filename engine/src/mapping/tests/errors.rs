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
    assert_snapshot!(errors(text), @"");
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
    assert_snapshot!(told.join("\n"), @"");
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
    assert_snapshot!(told.join("\n"), @"");
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
