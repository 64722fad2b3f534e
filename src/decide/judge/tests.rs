//! The judge against an independent look for circles, on graphs of all shapes.

use super::*;
use crate::decide::samples::service;
use crate::model::service::Kind;
use proptest::prelude::*;
use std::sync::Arc;

fn name(index: usize) -> ServiceName {
    ServiceName::new(&format!("s{index}")).expect("legal")
}

fn definition(index: usize, after: &[usize]) -> Definition {
    let mut service = service(name(index).as_str());
    let mut order = Order::default();
    for (nth, other) in after.iter().enumerate() {
        [&mut order.after, &mut order.requires, &mut order.wants][nth % 3].push(name(*other));
    }
    service.order = (!order.is_empty()).then(|| Box::new(order));
    Definition::from(service)
}

fn entry(definition: Definition) -> (ServiceName, Entry) {
    let name = definition.service.name.clone();
    let entry = Entry {
        file: format!("{name}.toml").into(),
        drop_ins: Vec::new(),
        kind: Kind::Toml,
        file_hash: None,
        service: Some(Arc::new(definition)),
        diagnostics: Vec::new(),
        inputs: Vec::new(),
        delegated: None,
    };
    (name, entry)
}

/// Who can be reached from itself, by powers of the matrix: slow and plainly right.
fn in_circles(edges: &[Vec<usize>]) -> Vec<bool> {
    let count = edges.len();
    let mut reach = vec![vec![false; count]; count];
    for (from, others) in edges.iter().enumerate() {
        for to in others {
            reach[from][*to] = true;
        }
    }
    for via in 0..count {
        for from in 0..count {
            for to in 0..count {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
    (0..count).map(|index| reach[index][index]).collect()
}

fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (1..9_usize).prop_flat_map(|count| prop::collection::vec(prop::collection::vec(0..count, 0..3), count))
}

proptest! {
    #[test]
    fn at_a_first_load_exactly_those_in_a_circle_are_refused_and_each_is_shown_one(edges in graphs()) {
        let definitions: Vec<Definition> = edges.iter().enumerate().map(|(n, others)| definition(n, others)).collect();
        let names: Vec<ServiceName> = (0..edges.len()).map(name).collect();
        let found = refused(&names.iter().zip(&definitions).collect(), |_| None);
        for (index, expected) in in_circles(&edges).into_iter().enumerate() {
            let circle = found.get(&names[index]);
            prop_assert_eq!(circle.is_some(), expected, "{:?}", &edges);
            let Some(circle) = circle else { continue };
            prop_assert!(circle.len() > 1 && circle[0] == names[index] && circle[0] == circle[circle.len() - 1]);
            for step in circle.windows(2) {
                let (from, to) = (names.iter().position(|it| *it == step[0]), names.iter().position(|it| *it == step[1]));
                prop_assert!(edges[from.expect("known")].contains(&to.expect("known")), "{:?} in {:?}", circle, &edges);
            }
        }
    }

    #[test]
    fn whatever_is_edited_what_is_in_force_leads_in_no_circle(first in graphs(), edits in prop::collection::vec((0..9_usize, prop::collection::vec(0..9_usize, 0..3)), 0..12), batch in 1..4_usize) {
        let mut in_force: Vec<Vec<usize>> = vec![Vec::new(); 9];
        let all = first.into_iter().enumerate().chain(edits).collect::<Vec<_>>();
        for edits in all.chunks(batch) {
            let edits: BTreeMap<usize, Vec<usize>> = edits.iter().cloned().collect();
            let old: Vec<Definition> = in_force.iter().enumerate().map(|(n, others)| definition(n, others)).collect();
            let new: Vec<(ServiceName, Definition)> = edits.iter().map(|(n, others)| (name(*n), definition(*n, others))).collect();
            let pending = new.iter().map(|(name, definition)| (name, definition)).collect();
            let found = refused(&pending, |it| old.iter().find(|definition| definition.service.name == *it));
            for (index, others) in edits {
                if !found.contains_key(&name(index)) {
                    in_force[index] = others;
                }
            }
            prop_assert!(in_circles(&in_force).iter().all(|it| !it), "{:?}", in_force);
        }
    }
}

#[test]
fn chains_and_circles_of_thousands_are_judged_at_once() {
    let count = 20_000;
    let mut entries: Vec<_> = (0..count).map(|n| entry(definition(n, &[(n + 1).min(count - 1)]))).collect();
    entries[count - 1] = entry(definition(count - 1, &[]));
    judge_all(&mut entries, &BTreeSet::new());
    assert!(entries.iter().all(|(_, entry)| entry.service.is_some()));
    entries[count - 1] = entry(definition(count - 1, &[0]));
    judge_all(&mut entries, &BTreeSet::new());
    assert!(entries.iter().all(|(_, entry)| entry.service.is_none()));
    let said = entries[7].1.diagnostics[0].to_string();
    assert!(said.contains("its order leads in a circle of more than 200 services"), "{said}");
}

#[test]
fn thousands_of_names_that_are_none_are_not_each_compared_with_all() {
    let count = 5_000;
    let mut entries: Vec<_> = (0..count).map(|n| entry(definition(n, &[count + n]))).collect();
    judge_all(&mut entries, &BTreeSet::new());
    assert!(entries.iter().all(|(_, entry)| entry.diagnostics.len() == 1));
    let guessed = entries.iter().filter(|(_, entry)| entry.diagnostics[0].to_string().contains("did you mean"));
    assert_eq!(guessed.count(), 64);
}

#[test]
fn a_name_that_is_none_is_an_error_with_the_nearest_one_and_wants_is_not() {
    let mut typo = service("web");
    let names = |text: &str| vec![ServiceName::new(text).expect("legal")];
    let order = Order { after: Vec::new(), requires: names("cahce"), wants: names("nobody") };
    typo.order = Some(Box::new(order));
    typo.restart.on_give_up = Some(ServiceName::new("mail").expect("legal"));
    let mut entries = vec![entry(Definition::from(service("cache"))), entry(Definition::from(typo))];
    judge_all(&mut entries, &BTreeSet::from([ServiceName::new("mail").expect("legal")]));
    assert!(entries[0].1.service.is_some() && entries[1].1.service.is_none());
    let said: Vec<String> = entries[1].1.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["web.toml: `requires` names the service `cahce`, and there is none; did you mean `cache`?"]);
}
