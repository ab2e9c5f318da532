//! The measured figures, and their table.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Options;
use super::page::Side;

/// The measured quantities, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Acknowledged,
    AcknowledgedOneByOne,
    Stored,
    StoredUnsent,
    BurstBusy,
    Synced,
    SyncBusy,
    HotWrites,
    HotBusy,
    EditBusy,
    ColdStart,
    ColdOpened,
    ColdRead,
    EditReceivedMedian,
    EditReceivedP95,
    PythonReceivedMedian,
    PythonReceivedP95,
    ResolutionReceivedMedian,
    ResolutionReceivedP95,
    PulledAll,
    PullLongestTask,
    PullOpenedTask,
    PullAskedAgain,
}

/// The goal that Nightferry is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most this many times the reference, median to median.
    Ratio(f64),
    /// Nightferry's own figure, at most.
    Own(f64),
    /// Shown to explain another.
    None,
}

impl What {
    const ALL: [What; 23] = [
        What::Acknowledged,
        What::AcknowledgedOneByOne,
        What::Stored,
        What::StoredUnsent,
        What::BurstBusy,
        What::Synced,
        What::SyncBusy,
        What::HotWrites,
        What::HotBusy,
        What::EditBusy,
        What::ColdStart,
        What::ColdOpened,
        What::ColdRead,
        What::EditReceivedMedian,
        What::EditReceivedP95,
        What::PythonReceivedMedian,
        What::PythonReceivedP95,
        What::ResolutionReceivedMedian,
        What::ResolutionReceivedP95,
        What::PulledAll,
        What::PullLongestTask,
        What::PullOpenedTask,
        What::PullAskedAgain,
    ];

    fn words(self, options: &Options) -> String {
        let Options { items, hot_keys, hot_updates, edits, pokes, conflicts, pulled, .. } = options;
        match self {
            What::Acknowledged => format!("{items} new items: durable, ms"),
            What::AcknowledgedOneByOne => "… beside the reference with one transaction an item, ms".into(),
            What::Stored => format!("{items} new items: in their store, ms"),
            What::StoredUnsent => "… with `syncToFlask: false`, ms".into(),
            What::BurstBusy => format!("{items} new items: page's thread, ms"),
            What::Synced => format!("{items} changed items: from asking until the server has all, ms"),
            What::SyncBusy => "… page's thread, the changes included, ms".into(),
            What::HotWrites => format!("{hot_updates} updates of {hot_keys} items: writes"),
            What::HotBusy => format!("{hot_updates} updates of {hot_keys} items: page's thread, ms"),
            What::EditBusy => format!("{edits} updates, 60/s: page's thread, ms each"),
            What::ColdStart => format!("cold start, {items} items: all there, ms"),
            What::ColdOpened => "… of which until open, ms".into(),
            What::ColdRead => "… and to read all, ms".into(),
            What::EditReceivedMedian => {
                format!("{pokes} edits, until another device has each: median, ms")
            }
            What::EditReceivedP95 => "… 95th percentile, ms".into(),
            What::PythonReceivedMedian => {
                format!("{pokes} writes by Python, until a device has each: median, ms")
            }
            What::PythonReceivedP95 => "… 95th percentile, ms".into(),
            What::ResolutionReceivedMedian => {
                format!("{conflicts} conflicts decided, until the other device has each: median, ms")
            }
            What::ResolutionReceivedP95 => "… 95th percentile, ms".into(),
            What::PulledAll => {
                format!("{pulled} items into an empty device, interrupted twice: all there, ms")
            }
            What::PullLongestTask => {
                "… longest task of the page while they come, ms (50: none is longer)".into()
            }
            What::PullOpenedTask => "… longest task of a page that opens and reads what is there, ms".into(),
            What::PullAskedAgain => "… pages asked for again".into(),
        }
    }

    pub fn goal(self) -> Goal {
        match self {
            What::Acknowledged => Goal::Ratio(0.15),
            What::AcknowledgedOneByOne => Goal::Ratio(0.3),
            What::BurstBusy => Goal::Ratio(0.2),
            What::Stored => Goal::Ratio(1.8),
            What::Synced => Goal::Ratio(0.5),
            What::HotWrites => Goal::Own(20.0),
            What::EditBusy => Goal::Ratio(0.6),
            What::ColdStart => Goal::Ratio(1.6),
            What::EditReceivedMedian | What::PythonReceivedMedian => Goal::Own(150.0),
            What::EditReceivedP95 | What::PythonReceivedP95 => Goal::Own(400.0),
            What::ResolutionReceivedMedian | What::ResolutionReceivedP95 => Goal::Own(1_000.0),
            What::PullLongestTask | What::PullOpenedTask => Goal::Own(100.0),
            What::PullAskedAgain => Goal::Own(4.0),
            What::StoredUnsent
            | What::SyncBusy
            | What::HotBusy
            | What::ColdOpened
            | What::ColdRead
            | What::PulledAll => Goal::None,
        }
    }
}

/// By what and whether it is Nightferry's, the figure of each round.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<(What, bool), Vec<f64>>);

impl Figures {
    pub fn add(&mut self, what: What, side: Side, figure: f64) {
        self.0.entry((what, side != Side::Reference)).or_default().push(figure);
    }

    fn sorted(&self, what: What, nightferry: bool) -> Vec<f64> {
        let mut figures = self.0.get(&(what, nightferry)).cloned().unwrap_or_default();
        figures.sort_by(f64::total_cmp);
        figures
    }
}

pub struct Report {
    pub(super) figures: Figures,
    /// Names of the machine's parts, and which they are.
    pub(super) machine: Vec<(&'static str, String)>,
    pub(super) options: Options,
}

struct Line {
    cells: [String; 6],
}

impl Report {
    /// For a terminal.
    pub fn table(&self) -> String {
        let lines = self.lines();
        let widths: Vec<usize> = (0..6)
            .map(|at| lines.iter().map(|line| line.cells[at].chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for line in lines {
            let mut padded = String::new();
            for (at, (cell, width)) in line.cells.iter().zip(&widths).enumerate() {
                let _ = match at {
                    0 => write!(padded, "{cell:<width$}"),
                    5 => write!(padded, "  {cell}"),
                    _ => write!(padded, "  {cell:>width$}"),
                };
            }
            let _ = writeln!(out, "{}", padded.trim_end());
        }
        out
    }

    /// For docs/benchmarks.md.
    pub fn markdown(&self) -> String {
        let mut out = String::from(HEAD);
        for (name, which) in &self.machine {
            let _ = writeln!(out, "- {name}: {which}");
        }
        let _ = writeln!(out, "- rounds: {}\n", self.options.rounds);
        for (at, line) in self.lines().into_iter().enumerate() {
            let _ = writeln!(out, "| {} |", line.cells.join(" | "));
            if at == 0 {
                out.push_str("|---|--:|--:|--:|--:|---|\n");
            }
        }
        out + NOTES
    }

    fn lines(&self) -> Vec<Line> {
        let head = ["what", "Nightferry", "reference", "ratio", "goal", ""].map(String::from);
        let lines = What::ALL.into_iter().filter_map(|what| self.line(what));
        std::iter::once(Line { cells: head }).chain(lines).collect()
    }

    fn line(&self, what: What) -> Option<Line> {
        let (ours, theirs) = (self.figures.sorted(what, true), self.figures.sorted(what, false));
        let our = median(&ours)?;
        let their = median(&theirs);
        let ratio = their.map(|their| our / their);
        let (goal, met) = match what.goal() {
            Goal::Ratio(most) => (format!("ratio ≤ {most}"), Some(ratio? <= most)),
            Goal::Own(most) => (format!("≤ {most}"), Some(our <= most)),
            Goal::None => (String::new(), None),
        };
        let verdict = met.map_or("", |met| if met { "met" } else { "missed" });
        let cells = [
            what.words(&self.options),
            spread(our, &ours),
            their.map_or(String::new(), |their| spread(their, &theirs)),
            ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            goal,
            verdict.into(),
        ];
        Some(Line { cells })
    }
}

const HEAD: &str = "\
<!-- Generated by `cargo xtask bench --write`. Do not edit. -->

# Benchmarks

Nightferry beside a hand-written reference: plain JavaScript on the page that gathers changes and writes them to IndexedDB in one
transaction (`tests/e2e/bench/reference.js`). Both run in one Chromium, in turns; figures are the median of the rounds with the least and the
most, ratios are of medians. What has no reference is measured once a run. `cargo xtask bench` measures on your machine, and CONTRIBUTING.md
says what is measured how.

";

/// The findings about the goals that are missed. A change of this text needs a new measurement.
const NOTES: &str = "
## Where the time goes

**Changed items, until the server has all.** Each side sends 20 pushes of 500 in the measured time, and a pull. Beside that, the reference writes 10,000 versions: its
write-behind has stored the items in the second before. Nightferry holds everything until it is asked (a full queue, too), then reads 10,000 items and writes a value and a row of
each: 20,000 puts in 20 transactions, beside 60 transactions of a put or two that pushes and pulls need. In a profile of the worker it computes for 1 s of 3.2 s, a third of which are
the puts' copies, and waits for Flask and IndexedDB for the rest. Flask alone has the line for 1.7 s, and the reference needs 2.5 s for its pushes. So a ratio of 0.5 cannot be
reached with the same requests. (Tables of before 2026-11-27 flatter: a full queue was sent before the measured time.)

**New items in their store.** An item is written three times: as a part of a burst in the log, as a value, and as what is known of it. The reference
writes it once. The line with `syncToFlask: false` shows what remains without Flask on the same cores. The reference took from 525 to 703 ms in runs of one day, and the
ratio was from 1.55 to 2.17 with it. In a profile of the worker without Flask, IndexedDB is waited for during 0.43 s of 1.0 s; the puts' copies take 0.16 s, the engine 0.25 s.

**The page's thread.** In a profile of 10,000 new items: structured clones of the bursts' texts a quarter, `JSON.stringify` and its garbage a third, checking the
items an eighth, noting which of them wait another. The reference's clones are nearly all that it does; the ratio was from 0.20 to 0.27.

**Single updates.** An update is a message to the worker and several back: acknowledged, its progress, the status. The reference puts it into a map. In a profile of 200 updates
at 60 a second, posting messages is half of what is not the browser's own work, and none of the rest stands out.

**Pages asked for again.** 1 or 2 pages come twice. In two of the first five runs of 100,000 items it was 70: after the browser was killed (SIGKILL, while it wrote), its database was
another one, with another epoch and without an item. So Chromium had dropped it, and the device began anew, as after an eviction. Until then the killed browser's other
processes were not waited for before the next one started on the same files. Since they are, it was not seen in eight runs, which is no proof.

## What was tried

- Checkpoints wait up to 5 s for pushes that are under way (but for those that a pull or a flush waits for), and are begun one at a time meanwhile: 5.0 s instead of 7.3 s for 10,000 changed items.
- A push goes before the checkpoints that are due with it, items are read in one request where most of a store is wanted, and answered items are written while the server works on the next push: 3.1 s instead of 4.0 s on the same day. The first alone changed nothing: 19,000 requests for single items were in front of the first push.
- To know which items wait, the page went through all of them for each burst that took effect. It goes through those of the burst: 54 ms instead of 64 for 10,000 new items.
- The reference has a slice of its own on the server. Before, Nightferry pulled what the reference had pushed, and paid for it within the measured time.
- A first pull waited for the delayed write of its pages. With up to eight pages ahead of the store instead of four, 30,000 items took 9.1 s instead of 15.8 s, under about the same load.
- A page that read 60,000 items was stopped for half a second by one message. In parts of 2,000 items its longest task was 50 to 230 ms, with smaller parts, too: the list was
  made four times over once the last part was there. It is made once now, and no task of a page with 100,000 items was longer than 50 ms in three of four runs. (The table's page opens in a browser that was started a moment before.)
";

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// The figure that so many of a hundred do not exceed.
pub fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The median with the least and the most.
fn spread(median: f64, sorted: &[f64]) -> String {
    match (sorted.first(), sorted.last()) {
        (Some(least), Some(most)) if least != most => {
            format!("{} ({}–{})", short(median), short(*least), short(*most))
        }
        _ => short(median),
    }
}

/// Three digits or so.
fn short(figure: f64) -> String {
    let digits = match figure {
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{figure:.digits$}");
    text.strip_suffix(&format!(".{}", "0".repeat(digits))).unwrap_or(&text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spreads() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&hundred, 95), percentile(&[7.0], 95)), (Some(95.0), Some(7.0)));
        assert_eq!(spread(20.0, &[20.0, 20.0]), "20");
        assert_eq!(spread(12.34, &[0.1234, 12.34, 1234.5]), "12.3 (0.123–1234)");
    }

    #[test]
    fn a_goal_is_met_or_missed() {
        let mut figures = Figures::default();
        for (side, ms) in [(Side::Nightferry, 10.0), (Side::Reference, 100.0)] {
            figures.add(What::Acknowledged, side, ms);
            figures.add(What::HotWrites, side, ms * 3.0);
        }
        let report = Report { figures, machine: Vec::new(), options: Options::default() };
        let verdicts: Vec<_> =
            report.lines().iter().map(|line| (line.cells[3].clone(), line.cells[5].clone())).collect();
        let expected = [("ratio", ""), ("0.10", "met"), ("0.10", "missed")];
        assert_eq!(verdicts, expected.map(|(ratio, verdict)| (ratio.into(), verdict.into())));
    }
}
