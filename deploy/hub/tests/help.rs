//! The help is the reference of all settings: it changes on purpose only.

use clap::CommandFactory as _;

#[test]
fn the_help_says_every_command_and_setting() {
    let mut command = hub::Cli::command().term_width(100);
    insta::assert_snapshot!("help", command.render_long_help());
    for name in ["simulate", "admin", "pg"] {
        let sub = command
            .find_subcommand_mut(name)
            .expect("the command is there");
        insta::assert_snapshot!(format!("help_{name}"), sub.render_long_help());
    }
}
