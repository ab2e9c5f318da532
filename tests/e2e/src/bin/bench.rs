//! Measures Nightferry beside a hand-written reference, and prints a table. `cargo xtask bench` runs this.

use anyhow::{Context, Result, bail};
use nightferry_e2e::bench::{self, Options};

#[tokio::main]
async fn main() -> Result<()> {
    let mut options = Options::default();
    let mut write = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => {
                let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
                options.rounds = rounds.filter(|rounds| *rounds > 0).context("--rounds takes a number")?;
            }
            "--write" => write = Some(arguments.next().context("--write takes a file")?),
            other => bail!("`bench` does not know {other}"),
        }
    }
    let report = bench::run(options, |what| println!("  {what}")).await?;
    println!("\n{}", report.table());
    if let Some(file) = write {
        std::fs::write(&file, report.markdown()).with_context(|| format!("{file} could not be written"))?;
        println!("{file} has it");
    }
    Ok(())
}
