//! What a process takes from its machine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process,
};

/// Parts of a second in which the system counts the CPU time of a process: the same on all machines but some old ones.
const TICKS: f64 = 100.0;

/// A process, as the system shows it.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    id: u32,
    folder: PathBuf,
}

impl Process {
    /// This process.
    pub fn this() -> Self {
        Self::of(process::id())
    }

    /// The process with this number.
    pub fn of(id: u32) -> Self {
        Self { id, folder: format!("/proc/{id}").into() }
    }

    /// Most memory that it ever had, in MiB; 0 where the system does not tell.
    pub fn peak_rss_mb(&self) -> u64 {
        let status = fs::read_to_string(self.folder.join("status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        kib.unwrap_or_default() / 1024
    }

    /// CPU seconds of all its threads, with those that have ended; 0 where the system does not tell.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(self.folder.join("stat")).unwrap_or_default();
        // The name comes second, in brackets, and may have any others in it.
        let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
        let own_and_system = fields.split_whitespace().skip(11).take(2);
        own_and_system.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    /// CPU seconds of its threads but the first, by their names without numbers; empty where the system does not tell.
    /// Threads that have ended are not in it.
    pub fn cpu_by_thread(&self) -> BTreeMap<String, f64> {
        let first = self.id.to_string();
        let mut seconds = BTreeMap::new();
        let Ok(threads) = fs::read_dir(self.folder.join("task")) else { return seconds };
        for thread in threads.flatten().filter(|thread| *thread.file_name() != *first) {
            // It may end meanwhile.
            let Ok(name) = fs::read_to_string(thread.path().join("comm")) else { continue };
            let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
            *seconds.entry(name.to_owned()).or_default() += schedule_seconds(&thread.path());
        }
        seconds
    }

    /// CPU seconds of its first thread; 0 where the system does not tell.
    pub fn cpu_of_first_thread(&self) -> f64 {
        schedule_seconds(&self.folder)
    }
}

/// Bytes of all files below a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            // A file that the database deleted meanwhile.
            Err(_) => 0,
        })
        .sum()
}

fn schedule_seconds(thread: &Path) -> f64 {
    let times = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let ns = times.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.unwrap_or_default() / 1e9
}
