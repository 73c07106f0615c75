//! Embeds the built console, if there is one.

fn main() {
    // The folder may be empty: a server without a console is a whole server.
    std::fs::create_dir_all("console/dist").expect("console/dist can be created");
    println!("cargo::rerun-if-changed=console/dist");
    memory_serve::load_directory("console/dist");
}
