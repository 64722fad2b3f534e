//! `status.prom` is what Prometheus accepts, whatever the names and however many.

mod sample;

use abide::model::status::{ServiceStatus, SourceState, State};
use abide::render::prometheus::{DETAILED, Detail, Facts, Lines, Used, write, write_used};
use abide::render::snapshot::Envelope;
use sample::{envelope, flaky, greedy, misspelt, mixed, service, workers};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

fn page(envelope: &Envelope, services: &[ServiceStatus], detail: Detail) -> String {
    let detail = detail.settled(services.len());
    let lines: Vec<Lines> = services.iter().map(|s| Lines::of(&s.name, &Facts::of(s), detail)).collect();
    let mut bytes = Vec::new();
    write(&mut bytes, envelope, &lines.iter().collect::<Vec<_>>()).expect("memory takes all");
    let full = services.iter().zip(&lines).filter(|(_, lines)| lines.is_full());
    let used: Vec<_> = full.enumerate().map(|(n, (service, _))| (&service.name, used(n))).collect();
    write_used(&mut bytes, &used).expect("memory takes all");
    String::from_utf8(bytes).expect("text")
}

fn used(n: usize) -> Used {
    let log_bytes = (!n.is_multiple_of(3)).then_some(n as u64);
    Used { cpu: Duration::from_millis(1500), resident_bytes: 1 << 20, processes: 2, log_bytes }
}

fn odd() -> Envelope {
    let mut odd = envelope();
    odd.sources = ["a \"quoted\" path", "back\\slash\\", "new\nline", "ünï/日本", "", "twice", "twice"]
        .map(sample::source)
        .into();
    odd.sources[1].state = SourceState::Degraded;
    odd.sources[2].state = SourceState::Absent;
    odd.sources[3].overflows = 12;
    odd.abide.version = "0.1.0\"\\".into();
    odd
}

fn many(count: usize) -> Vec<ServiceStatus> {
    (0..count).map(|n| service(&format!("app-{n}.x_Y"), State::Running)).collect()
}

#[test]
fn promtool_accepts_none_one_ten_thousand_and_odd_ones() {
    if Command::new("promtool").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "promtool is missing: install Debian's prometheus");
        eprintln!("NOT CHECKED: promtool is missing; install Debian's prometheus to have this tested");
        return;
    }
    let mixed = mixed().services;
    let cases = [
        page(&envelope(), &[], Detail::Auto),
        page(&envelope(), &many(1), Detail::Auto),
        page(&envelope(), &many(10_000), Detail::Auto),
        page(&envelope(), &many(10_000), Detail::All),
        page(&odd(), &mixed, Detail::All),
        page(&odd(), &mixed, Detail::Abnormal),
        page(&odd(), &mixed, Detail::None),
    ];
    for text in cases {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it is there");
        promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read to the end");
        let output = promtool.wait_with_output().expect("ends");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.trim().is_empty(), "{said}\n{}", &text[..text.len().min(4_000)]);
    }
}

#[test]
fn every_series_has_help_and_type_stands_with_its_metric_and_comes_once() {
    let text = page(&odd(), &mixed().services, Detail::All);
    let (mut metric, mut seen, mut series) = (String::new(), BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            metric = help.split(' ').next().expect("a name").to_owned();
            assert!(seen.insert(metric.clone()), "{metric} comes twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert!(kind.starts_with(&metric));
        } else {
            assert_eq!(line.split(['{', ' ']).next(), Some(metric.as_str()), "{line}");
            let (labels, value) = line.rsplit_once(' ').expect("a value");
            assert!(series.insert(labels.to_owned()), "{labels} comes twice");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[test]
fn a_service_says_state_sync_restarts_start_last_exit_and_drops() {
    let text = page(&envelope(), &[flaky(), misspelt(), workers("worker", 3)], Detail::Auto);
    for line in [
        "abide_service_state{service=\"flaky\",state=\"backoff\"} 1",
        "abide_service_in_sync{service=\"web\"} 1",
        "abide_service_restarts_total{service=\"flaky\",reason=\"exit\"} 1016",
        "abide_service_restarts_total{service=\"flaky\",reason=\"signal\"} 1",
        "abide_service_restarts_total{service=\"worker\",reason=\"exit\"} 0",
        "abide_service_start_time_seconds{service=\"worker\"} 1795359984.123",
        "abide_service_last_exit_code{service=\"flaky\"} 1",
        "abide_service_last_exit_code{service=\"web\"} 139",
        "abide_log_dropped_lines_total{service=\"web\"} 0",
        "abide_service_cpu_seconds_total{service=\"flaky\"} 1.500",
        "abide_service_resident_memory_bytes{service=\"web\"} 1048576",
        "abide_service_processes{service=\"worker\"} 2",
        "abide_service_log_bytes{service=\"web\"} 1",
        "abide_build_info{version=\"0.1.0\",schema=\"1\"} 1",
        "abide_source_ok{path=\"services.d\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn many_calm_services_add_nothing_but_their_restarts() {
    let mut services = many(DETAILED);
    services.extend([flaky(), greedy(), misspelt()]);
    services[0].instances[0].restarts_by.insert("exit".into(), 2);
    let text = page(&envelope(), &services, Detail::Auto);
    let of = |name: &str| text.lines().filter(|l| l.contains(&format!("service=\"{name}\""))).count();
    assert_eq!([of("app-0.x_Y"), of("app-1.x_Y")], [1, 0]);
    assert!(of("greedy") > 3 && of("web") > 3);
    assert!(!page(&envelope(), &services, Detail::None).contains("service=\""));
}
