//! Stamps `NIGHTFERRY_BUILD`, the build id that page and worker exchange. Runs no other tool.
//!
//! Only wasm is stamped with the hash of what reaches the browser. A native build of the core (tests, the simulation) never meets another
//! build, and would otherwise be compiled again with every edit of the page.

#[path = "xtask/src/build_id.rs"]
#[allow(dead_code, clippy::disallowed_methods, reason = "a build script reads files; xtask uses the rest")]
mod build_id;

#[allow(clippy::disallowed_methods, reason = "a build script reads the environment that cargo gives it")]
fn main() -> std::io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=xtask/src/build_id.rs");
    let id = if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for source in build_id::SOURCES.iter().filter(|source| root.join(source).exists()) {
            println!("cargo::rerun-if-changed={source}");
        }
        build_id::build_id(root, version)?
    } else {
        format!("{version}-native")
    };
    println!("cargo::rustc-env=NIGHTFERRY_BUILD={id}");
    Ok(())
}
