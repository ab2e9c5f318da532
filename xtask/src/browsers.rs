//! The browsers of the end-to-end tests: an installed one is used; where there is none, root installs Debian's package.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{self, command};
use crate::progress::{Step, step};
use crate::toolchain::{apt_get_install, can_apt_get};

/// A browser engine that the end-to-end tests drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Browser {
    Chromium,
    Firefox,
    WebKit,
}

impl Browser {
    pub const ALL: [Browser; 3] = [Browser::Chromium, Browser::Firefox, Browser::WebKit];

    /// Its name as an option, and as the name of its tests.
    pub fn name(self) -> &'static str {
        match self {
            Browser::Chromium => "chromium",
            Browser::Firefox => "firefox",
            Browser::WebKit => "webkit",
        }
    }

    /// Finds its programs, or installs them. Returns the variables that name them for the tests.
    pub fn ensure(self) -> Result<Vec<(&'static str, PathBuf)>> {
        match self {
            Browser::Chromium => {
                let chromium = ensure_chromium()?;
                Ok(vec![("CHROMIUM", chromium.browser), ("CHROMEDRIVER", chromium.driver)])
            }
            Browser::Firefox => ensure_programs(&FIREFOX),
            Browser::WebKit => ensure_programs(&WEBKIT),
        }
    }
}

/// Programs that come with Debian's packages.
struct Programs {
    title: &'static str,
    /// By the variable that may name one, the names under which it is looked for in PATH.
    names: &'static [(&'static str, &'static [&'static str])],
    packages: &'static [&'static str],
    /// The way on other systems than Debian, as a sentence.
    elsewhere: &'static str,
}

const FIREFOX: Programs = Programs {
    title: "Firefox",
    names: &[("FIREFOX", &["firefox-esr", "firefox"])],
    packages: &["firefox-esr"],
    elsewhere: "Elsewhere install Firefox; FIREFOX may name it. To test without it: `cargo xtask test --browsers chromium`.",
};

const WEBKIT: Programs = Programs {
    title: "WebKitGTK, its driver, and Xvfb",
    names: &[("WEBKIT_DRIVER", &["WebKitWebDriver"]), ("XVFB", &["Xvfb"])],
    packages: &["webkit2gtk-driver", "xvfb"],
    elsewhere: "Elsewhere install WebKitGTK with its MiniBrowser; WEBKIT_DRIVER, XVFB and MINIBROWSER may name the programs. To test \
                without it, as on a system that has no WebKitGTK: `cargo xtask test --browsers chromium,firefox`.",
};

/// The programs, by the variables that name them.
fn ensure_programs(programs: &Programs) -> Result<Vec<(&'static str, PathBuf)>> {
    let Programs { title, packages, elsewhere, .. } = programs;
    let mut found = Vec::new();
    step(title, || {
        if let Ok(all) = find_programs(programs) {
            found = all;
            return Ok(Step::UpToDate);
        }
        if !can_apt_get() {
            bail!(
                "{title}: something of it is missing. On Debian or Ubuntu: `sudo apt-get install {}`. {elsewhere}",
                packages.join(" ")
            );
        }
        apt_get_install(packages)?;
        found = find_programs(programs).map_err(|(variable, name)| {
            anyhow::anyhow!("apt-get installed {title}, yet {name} is not in PATH; set {variable}")
        })?;
        Ok(Step::Done)
    })?;
    Ok(found)
}

/// The error is the first that is missing: its variable and its name.
fn find_programs(
    programs: &Programs,
) -> std::result::Result<Vec<(&'static str, PathBuf)>, (&'static str, &'static str)> {
    let find = |&(variable, names): &(&'static str, &'static [&'static str])| {
        let named = std::env::var_os(variable).map(PathBuf::from);
        let found = named.or_else(|| process::find(names)).ok_or((variable, names[0]))?;
        Ok((variable, found))
    };
    programs.names.iter().map(find).collect()
}

/// Chromium or Chrome, and the chromedriver that belongs to it.
pub struct Chromium {
    pub browser: PathBuf,
    pub driver: PathBuf,
}

const INSTALL: &str = "apt-get install chromium chromium-driver";

/// `CHROMIUM` and `CHROMEDRIVER` choose the pair.
pub fn ensure_chromium() -> Result<Chromium> {
    let mut found = None;
    step("Chromium and chromedriver", || {
        if let Some(chromium) = find_chromium() {
            check_versions(&chromium)?;
            found = Some(chromium);
            return Ok(Step::UpToDate);
        }
        if !can_apt_get() {
            bail!(
                "Chromium or chromedriver is missing. On Debian or Ubuntu: `sudo {INSTALL}`. Elsewhere install Chrome and the \
                 chromedriver of the same version; CHROMIUM and CHROMEDRIVER may name them."
            );
        }
        apt_get_install(&["chromium", "chromium-driver"])?;
        let chromium = find_chromium()
            .context("apt-get installed Chromium, yet it is not in PATH; set CHROMIUM and CHROMEDRIVER")?;
        check_versions(&chromium)?;
        found = Some(chromium);
        Ok(Step::Done)
    })?;
    found.context("no Chromium")
}

fn find_chromium() -> Option<Chromium> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let mac = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    let browser = named("CHROMIUM")
        .or_else(|| {
            process::find(&[
                "chromium",
                "chromium-browser",
                "google-chrome",
                "google-chrome-stable",
                "chrome",
            ])
        })
        .or_else(|| mac.is_file().then_some(mac))?;
    let driver = named("CHROMEDRIVER").or_else(|| process::find(&["chromedriver"]))?;
    Some(Chromium { browser, driver })
}

fn check_versions(chromium: &Chromium) -> Result<()> {
    let major = |program: &Path| -> Result<String> {
        let text = process::text(&mut command(program, ["--version"]))?;
        let version =
            text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        Ok(version.unwrap_or(&text).split('.').next().unwrap_or_default().to_string())
    };
    let (browser, driver) = (major(&chromium.browser)?, major(&chromium.driver)?);
    if browser != driver {
        bail!(
            "{} is version {browser}, {} is version {driver}: install the chromedriver of the same version, or name a pair with \
             CHROMIUM and CHROMEDRIVER",
            chromium.browser.display(),
            chromium.driver.display()
        );
    }
    Ok(())
}
