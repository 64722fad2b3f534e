//! What people call services → the services and instances that they mean.

use super::fleet::Fleet;
use crate::model::name::ServiceName;
use crate::model::nearest::nearest;
use crate::model::selector::{NoSuch, Selector, Target};
use crate::model::status::State;
use std::collections::BTreeSet;

impl Fleet {
    /// The targets that `selectors` mean, by name, each once. A name, a pattern or an instance that there is not is an
    /// error; that none is in a state (`@failed`) is an answer, which may be empty.
    pub fn select(&self, selectors: &[Selector]) -> Result<Vec<Target>, NoSuch> {
        let (mut targets, mut unknown) = (BTreeSet::new(), Vec::new());
        for selector in selectors {
            let named: Vec<&ServiceName> =
                self.known_names().filter(|name| selector.names.matches(name.as_str())).collect();
            let meant: Vec<Target> = named.iter().flat_map(|name| self.meant(name, selector)).collect();
            let is_state_of_any = selector.state.is_some() && (!named.is_empty() || selector.names.as_str() == "*");
            if meant.is_empty() && !is_state_of_any {
                unknown.push((selector.clone(), self.nearest_to(selector, &named)));
            }
            targets.extend(meant);
        }
        if !unknown.is_empty() {
            return Err(NoSuch(unknown));
        }
        // Who is meant as a whole is not meant in parts as well.
        let whole: BTreeSet<ServiceName> =
            targets.iter().filter(|target| target.index.is_none()).map(|target| target.service.clone()).collect();
        targets.retain(|target| target.index.is_none() || !whole.contains(&target.service));
        Ok(targets.into_iter().collect())
    }

    /// Every name that can be told something: a service that is held is known also while its file is gone.
    fn known_names(&self) -> impl Iterator<Item = &ServiceName> {
        let held: BTreeSet<&ServiceName> = self.holds.all().map(|(target, _)| &target.service).collect();
        let gone = held.into_iter().filter(|name| !self.members.contains_key(*name));
        self.members.keys().chain(gone)
    }

    /// What `selector` means of the service `name`.
    fn meant(&self, name: &ServiceName, selector: &Selector) -> Vec<Target> {
        let target = |index| Target { service: name.clone(), index };
        let instances = self.members.get(name).into_iter().flat_map(|member| member.counted());
        let states: Vec<(u32, State)> = instances.map(|instance| (instance.id.index, instance.state())).collect();
        match (selector.state, selector.index) {
            (None, None) => vec![target(None)],
            (None, Some(index)) => {
                let there = states.iter().any(|(known, _)| *known == index) || self.holds.own(name, index).is_some();
                there.then(|| target(Some(index))).into_iter().collect()
            }
            (Some(state), _) if states.is_empty() => {
                let is_held = self.holds.within(name).next().is_some();
                let is = if is_held { State::Held } else { State::Stopped };
                (is == state).then(|| target(None)).into_iter().collect()
            }
            (Some(state), _) => {
                let within: Vec<u32> = states.iter().filter(|(_, is)| *is == state).map(|(index, _)| *index).collect();
                if within.len() == states.len() {
                    return vec![target(None)];
                }
                within.into_iter().map(|index| target(Some(index))).collect()
            }
        }
    }

    /// What was probably meant by what names nothing: the service, where only the instance is wrong.
    fn nearest_to(&self, selector: &Selector, named: &[&ServiceName]) -> Option<ServiceName> {
        if let [one] = named {
            return Some((*one).clone());
        }
        if selector.names.is_pattern() {
            return None;
        }
        let near = nearest(selector.names.as_str(), self.known_names().map(ServiceName::as_str))?;
        self.known_names().find(|name| name.as_str() == near).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::diff::Powers;
    use crate::decide::event::Event;
    use crate::decide::samples::service;
    use crate::model::desired::{Definition, Delta, Entry};
    use crate::model::service::Kind;
    use crate::model::time::Now;
    use std::path::PathBuf;
    use std::sync::Arc;

    fn fleet() -> Fleet {
        let entry = |name: &str, instances: u32, enabled: bool| {
            let mut service = service(name);
            (service.instances, service.enabled) = (instances, enabled);
            let entry = Entry {
                file: PathBuf::from(format!("{name}.toml")),
                drop_ins: Vec::new(),
                kind: Kind::Toml,
                file_hash: None,
                service: Some(Arc::new(Definition::from(service.clone()))),
                diagnostics: Vec::new(),
                inputs: Vec::new(),
                delegated: None,
            };
            (service.name, Some(entry))
        };
        let mut fleet = Fleet::new(Powers { may_raise: false, uid: 1000 }, 1);
        let changes =
            vec![entry("db", 1, false), entry("mail", 1, true), entry("web", 4, true), entry("web-old", 1, true)];
        fleet.handle(Now::default(), Event::Delta(Delta { changes, generation: 1, ..Delta::default() }));
        fleet
    }

    fn select(texts: &[&str]) -> Result<Vec<String>, Vec<(String, Option<String>)>> {
        let selectors: Vec<Selector> = texts.iter().map(|text| text.parse().expect("legal")).collect();
        let shown = |NoSuch(names): NoSuch| {
            let shown = |(selector, near): (Selector, Option<ServiceName>)| {
                (selector.to_string(), near.map(|name| name.to_string()))
            };
            names.into_iter().map(shown).collect()
        };
        fleet().select(&selectors).map(|targets| targets.iter().map(Target::to_string).collect()).map_err(shown)
    }

    #[test]
    fn names_patterns_instances_and_states_mean_each_target_once() {
        assert_eq!(select(&["web*", "web@2", "mail"]), Ok(vec!["mail".into(), "web".into(), "web-old".into()]));
        assert_eq!(select(&["web@2", "web@0", "web@2"]), Ok(vec!["web@0".into(), "web@2".into()]));
        assert_eq!(select(&["*@0"]).expect("all have one").len(), 4);
        assert_eq!(select(&["@stopped"]), Ok(vec!["db".into()]));
        assert_eq!(select(&["web*@starting"]), Ok(vec!["web".into(), "web-old".into()]));
    }

    #[test]
    fn that_nothing_is_in_a_state_is_an_answer() {
        assert_eq!(select(&["@failed"]), Ok(vec![]));
        assert_eq!(select(&["web@failed"]), Ok(vec![]));
    }

    #[test]
    fn what_names_nothing_is_an_error_with_what_was_probably_meant() {
        let err = |selector: &str, near: Option<&str>| Err(vec![(selector.to_owned(), near.map(str::to_owned))]);
        assert_eq!(select(&["mial"]), err("mial", Some("mail")));
        assert_eq!(select(&["web@7", "mail"]), err("web@7", Some("web")));
        assert_eq!(select(&["nginx*"]), err("nginx*", None));
        assert_eq!(select(&["nginx*@failed"]), err("nginx*@failed", None));
        assert_eq!(select(&["wbe@failed"]), err("wbe@failed", Some("web")));
    }
}
