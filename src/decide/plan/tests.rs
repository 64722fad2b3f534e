//! What each difference comes to, in one word and in a sentence.

use super::*;
use crate::decide::samples::service;
use crate::model::service::Run;
use std::collections::BTreeMap;

const ME: Powers = Powers { may_raise: false, uid: 1000 };

fn outcome(old: Option<&Service>, new: Option<&Service>) -> Option<(Action, String, i64)> {
    step(old, new, &ME).map(|step| (step.action, step.reason, step.scale))
}

#[test]
fn what_comes_and_goes_is_started_and_stopped() {
    let (on, off) = (service("web"), Service { enabled: false, ..service("web") });
    let none = Service { instances: 0, ..service("web") };
    let cases = [
        (None, Some(&on), Action::Start, "new"),
        (None, Some(&off), Action::Nothing, "new, not enabled"),
        (None, Some(&none), Action::Nothing, "new, without instances"),
        (Some(&on), None, Action::Stop, "removed"),
        (Some(&off), None, Action::Nothing, "removed"),
        (Some(&off), Some(&on), Action::Start, "enabled"),
        (Some(&on), Some(&off), Action::Stop, "disabled"),
    ];
    for (old, new, action, reason) in cases {
        assert_eq!(outcome(old, new), Some((action, reason.to_owned(), 0)));
    }
    assert_eq!(outcome(Some(&on), Some(&on)), None);
}

#[test]
fn the_dearest_change_decides_and_gives_the_reason() {
    let old = service("web");
    let mut new = Service { description: Some("x".into()), ..old.clone() };
    assert_eq!(outcome(Some(&old), Some(&new)), Some((Action::Nothing, "description changed".into(), 0)));
    new.log.max_files = 9;
    assert_eq!(outcome(Some(&old), Some(&new)), Some((Action::Live, "log.max_files changed".into(), 0)));
    new.run = Run::Script("true".into());
    assert_eq!(outcome(Some(&old), Some(&new)), Some((Action::Restart, "command changed".into(), 0)));
    (new.directory, new.umask) = ("/tmp".into(), 0);
    let reason = "command, directory and 1 more changed".to_owned();
    assert_eq!(outcome(Some(&old), Some(&new)), Some((Action::Restart, reason, 0)));
}

#[test]
fn scaling_starts_and_stops_only_the_difference() {
    let many = |instances| Service { instances, ..service("web") };
    let reason = "instances changed".to_owned();
    assert_eq!(outcome(Some(&many(1)), Some(&many(4))), Some((Action::Live, reason.clone(), 3)));
    assert_eq!(outcome(Some(&many(4)), Some(&many(0))), Some((Action::Live, reason, -4)));
}

#[test]
fn what_does_not_run_is_not_restarted() {
    let off = Service { enabled: false, ..service("web") };
    let edited = Service { umask: 0, ..off.clone() };
    assert_eq!(outcome(Some(&off), Some(&edited)), Some((Action::Nothing, "umask changed".into(), 0)));
}

#[test]
fn a_plan_is_sorted_and_names_each_service_once() {
    let new: BTreeMap<ServiceName, Service> =
        ["b", "a"].map(|name| (ServiceName::new(name).expect("legal"), service(name))).into();
    let names: Vec<ServiceName> = new.keys().rev().chain(new.keys()).cloned().collect();
    let plan = plan(|_| None, |name| new.get(name), &names, &ME);
    let order: Vec<_> = plan.steps.iter().map(|step| step.service.as_str()).collect();
    assert_eq!(order, ["a", "b"]);
}
