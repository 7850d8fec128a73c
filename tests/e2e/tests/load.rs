//! A node under load, and beside clients that mean no good; the long forms are `artel bench rpc` and the command `crowd`.

use artel_e2e::{
    crowd::{self, Crowd, Plan},
    process::artel,
};
use serde_json::Value;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_served_and_memory_is_bounded_beside_any_crowd() {
    let mut seen = Vec::new();
    let before = crowd::run(&Crowd::ALL, Plan::SHORT, |report| {
        println!("{report:?}");
        seen.push(report.crowd);
    });
    let before = before.await.expect("all bounds hold");
    println!("with nobody else: {before:?}");
    assert!(seen.len() >= Crowd::ALL.len() - 1, "only {seen:?} came");
}

#[test]
fn requests_per_second_are_measured_beside_the_same_work_in_the_process() {
    let output = Command::new(artel().expect("the binary is built"))
        .args(["bench", "rpc", "--json", "--accounts", "64", "--transfers", "800"])
        .args(["--reads", "4000", "--depth", "16"])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let seen: Vec<_> = rows.iter().map(|row| (&row["method"], &row["way"])).collect();
    assert_eq!(rows.len(), 4, "{seen:?}");
    for row in &rows {
        assert!(row["per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{row}");
        assert!(row["p50_ms"].as_f64() <= row["p99_ms"].as_f64(), "{row}");
    }
    // Sockets are served by threads that do nothing in the process's own rows.
    let over_sockets = &rows[2]["node_us"]["rpc-sockets"];
    assert!(over_sockets.as_f64().is_some_and(|us| us > 0.0), "{over_sockets}");
}
