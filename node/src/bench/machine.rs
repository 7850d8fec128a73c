//! What a process takes from its machine.

use std::{collections::BTreeMap, fs, path::Path};

/// Most memory that the process ever had, in MiB; 0 where the system does not tell.
pub fn peak_rss_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
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

/// CPU seconds of the process's threads but the first, by their names without numbers; empty where the system does not tell.
/// Threads that have ended are not in it.
pub fn cpu_by_thread() -> BTreeMap<String, f64> {
    let first = std::process::id().to_string();
    let mut seconds = BTreeMap::new();
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return seconds };
    for thread in threads.flatten().filter(|thread| *thread.file_name() != *first) {
        // It may end meanwhile.
        let Ok(name) = fs::read_to_string(thread.path().join("comm")) else { continue };
        let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        *seconds.entry(name.to_owned()).or_default() += cpu_seconds(&thread.path());
    }
    seconds
}

/// CPU seconds of the process's first thread; 0 where the system does not tell.
pub fn cpu_of_first_thread() -> f64 {
    cpu_seconds(Path::new("/proc/self"))
}

fn cpu_seconds(thread: &Path) -> f64 {
    let times = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let ns = times.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.unwrap_or_default() / 1e9
}
