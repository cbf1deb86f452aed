//! Looking for the image that a name means on this machine: what the engine has and the machine
//! runs, and else what registries have.

use std::sync::Arc;
use std::time::Instant;

use super::known::{Choice, registry};
use super::platform::{Fit, Platform};
use super::{Machine, Supply};
use crate::engine::docker::error::DockerError;
use crate::engine::docker::images::Image;
use crate::engine::docker::start;
use crate::engine::{ImageNeed, Mismatch, StartError};
use crate::sync::lock;

/// What has been found so far.
#[derive(Debug, Default)]
struct Findings {
    /// The image that fits best, the first of equals.
    best: Option<(Fit, Choice)>,
    /// The first image that does not run, and why.
    foreign: Option<(String, Mismatch)>,
    /// Why the first pull that failed did.
    failure: Option<Arc<DockerError>>,
}

impl Findings {
    fn add(&mut self, fit: Fit, choice: Choice) {
        match (fit, &self.best) {
            (Fit::Foreign, _) => {
                let Choice {
                    reference,
                    mismatch,
                    ..
                } = choice;
                let foreign = mismatch.map(|mismatch| (reference, mismatch));
                self.foreign = self.foreign.take().or(foreign);
            }
            (_, Some((best, _))) if *best <= fit => {}
            _ => self.best = Some((fit, choice)),
        }
    }

    /// What runs without emulation: nothing better is looked for.
    fn good(&self) -> Option<&Choice> {
        match &self.best {
            Some((Fit::Native | Fit::Compatible, choice)) => Some(choice),
            _ => None,
        }
    }

    /// The image, or why there is none.
    fn result(self, need: &ImageNeed) -> Result<Choice, StartError> {
        match (self.best, self.foreign, self.failure) {
            (Some((_, choice)), ..) => Ok(choice),
            (None, Some((image, mismatch)), _) => Err(StartError::Foreign { image, mismatch }),
            (None, None, Some(error)) => Err(start::pull_failed(need, &error)),
            (None, None, None) => {
                let why = match need.pull {
                    true => "there is none",
                    false => "it is not there, and images are not pulled (OWL_BLACKBOX_AUTO_PULL)",
                };
                Err(start::image_missing(need, why.to_owned()))
            }
        }
    }
}

impl Supply {
    /// Looks for an image: among those that the engine has, then in registries.
    pub(super) async fn search(self: &Arc<Self>, need: &ImageNeed) -> Result<Choice, StartError> {
        let (names, mut findings) = self.look_here(need).await?;
        if need.pull && findings.good().is_none() {
            self.pull_one(&names, &mut findings).await;
        }
        self.decide(need, findings)
    }

    /// Looks for the newest image of a name: one that is here is pulled again, unless that has
    /// just been done, and has to do while its registry is out of reach.
    pub(super) async fn newest(self: &Arc<Self>, need: &ImageNeed) -> Result<Choice, StartError> {
        let known = lock(&self.known).choice(&need.name).cloned();
        let (mut names, here) = match known {
            Some(choice) => (self.names(need).await?, Some(choice)),
            None => {
                let (names, findings) = self.look_here(need).await?;
                (names, findings.good().cloned())
            }
        };
        if let Some(here) = here {
            if lock(&self.known).is_fresh(&here.reference, Instant::now()) {
                lock(&self.known).choose(&need.name, here.clone());
                return Ok(here);
            }
            names.retain(|name| *name != here.reference);
            names.insert(0, here.reference.clone());
            let mut findings = Findings::default();
            self.pull_one(&names, &mut findings).await;
            let is_away = lock(&self.known).is_away(&here.reference, Instant::now());
            if let (None, true, Some(error)) = (findings.good(), is_away, &findings.failure) {
                log::warn!("{error}; using the image that is there");
                lock(&self.known).choose(&need.name, here.clone());
                return Ok(here);
            }
            return self.decide(need, findings);
        }
        let mut findings = Findings::default();
        self.pull_one(&names, &mut findings).await;
        self.decide(need, findings)
    }

    /// Remembers what was found.
    fn decide(&self, need: &ImageNeed, findings: Findings) -> Result<Choice, StartError> {
        let choice = findings.result(need)?;
        if choice.reference != need.name {
            log::debug!("image {} is {} here", need.name, choice.reference);
        }
        lock(&self.known).choose(&need.name, choice.clone());
        Ok(choice)
    }

    /// The names under which an image is looked for.
    async fn names(&self, need: &ImageNeed) -> Result<Vec<String>, StartError> {
        if !need.blackbox {
            return Ok(vec![need.name.clone()]);
        }
        let machine = self.machine().await;
        let machine = machine.map_err(|error| start::start_failed(&need.name, &error))?;
        Ok(self.templates.names(&need.name, &machine.platform))
    }

    /// What the engine has under these names.
    async fn look_here(&self, need: &ImageNeed) -> Result<(Vec<String>, Findings), StartError> {
        let names = self.names(need).await?;
        let mut findings = Findings::default();
        for name in &names {
            let found = self.client.inspect_image(name).await;
            let judged = match found {
                Ok(Some(image)) => self.judged(name, &image).await,
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            let (fit, choice) = judged.map_err(|error| start::start_failed(&need.name, &error))?;
            findings.add(fit, choice);
            if fit == Fit::Native {
                break;
            }
        }
        Ok((names, findings))
    }

    /// Pulls the names one after another, until one has an image that runs.
    async fn pull_one(self: &Arc<Self>, names: &[String], findings: &mut Findings) {
        let mut away = Vec::new();
        for name in names {
            // Finding out again would take as long again.
            if away.contains(&registry(name)) {
                continue;
            }
            self.make_room().await;
            let pulled = self.pulls.pull(name).await;
            let was_away = pulled
                .as_ref()
                .is_err_and(|error| start::is_registry_away(error));
            let now = Instant::now();
            lock(&self.known).asked(name, pulled.is_ok(), was_away, now);
            let judged = match pulled {
                Ok(image) => self.judged(name, &image).await.map_err(Arc::new),
                Err(error) => Err(error),
            };
            match judged {
                Ok((fit, choice)) => findings.add(fit, choice),
                Err(error) => findings.failure = findings.failure.take().or(Some(error)),
            }
            if was_away {
                away.push(registry(name));
            }
            if findings.good().is_some() {
                break;
            }
        }
        // There may be one more now, maybe in place of an older one.
        self.look_if_due();
    }

    /// Lets images go before a pull, if the engine's disk is nearly full.
    async fn make_room(&self) {
        if let Ok(machine) = self.machine().await
            && self.keeper.count() > 0
            && self.keeper.is_short(&machine).await
        {
            self.keeper.look(&machine).await;
        }
    }

    /// Whether the engine's machine runs an image.
    pub(super) async fn judged(
        &self,
        reference: &str,
        image: &Image,
    ) -> Result<(Fit, Choice), DockerError> {
        let machine = self.machine().await?;
        let architecture = image.architecture.as_deref().unwrap_or_default();
        let made_for = Platform::new(architecture, image.variant.as_deref());
        let fit = self.fit(&machine, &made_for, &image.id).await;
        let mismatch = (fit != Fit::Native).then(|| Mismatch {
            image: made_for.to_string(),
            engine: machine.platform.to_string(),
        });
        let choice = Choice {
            reference: reference.to_owned(),
            id: image.id.clone(),
            told: None,
            mismatch,
        };
        Ok((fit, choice))
    }

    async fn fit(&self, machine: &Machine, made_for: &Platform, id: &str) -> Fit {
        match machine.platform.fit(made_for, || false) {
            Fit::Native => Fit::Native,
            _ if lock(&self.known).is_unfit(id, Instant::now()) => Fit::Foreign,
            Fit::Foreign => {
                let emulation = machine.emulation().await;
                machine
                    .platform
                    .fit(made_for, || emulation.may_run(made_for.architecture()))
            }
            fit => fit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(reference: &str, mismatch: bool) -> Choice {
        Choice {
            reference: reference.into(),
            id: "sha256:1".into(),
            told: None,
            mismatch: mismatch.then(|| Mismatch {
                image: "arm64".into(),
                engine: "amd64".into(),
            }),
        }
    }

    fn need(blackbox: bool, pull: bool) -> ImageNeed {
        ImageNeed {
            name: "me/thing".into(),
            blackbox,
            pull,
        }
    }

    #[test]
    fn the_best_is_taken_and_the_first_of_equals() {
        let mut findings = Findings::default();
        findings.add(Fit::Emulated, choice("emulated", true));
        assert!(findings.good().is_none());
        findings.add(Fit::Compatible, choice("compatible", true));
        findings.add(Fit::Native, choice("native", false));
        findings.add(Fit::Native, choice("other", false));
        findings.add(Fit::Foreign, choice("foreign", true));
        assert_eq!(findings.good().expect("is one").reference, "native");
        let taken = findings.result(&need(true, true)).expect("is one");
        assert_eq!(taken.reference, "native");
    }

    #[test]
    fn what_is_told_where_there_is_none() {
        let failure = || {
            Some(Arc::new(DockerError::Refused {
                what: "pull image me/thing".into(),
                status: 200,
                message: "no such host".into(),
            }))
        };
        let mut findings = Findings {
            failure: failure(),
            ..Findings::default()
        };
        findings.add(Fit::Foreign, choice("me/thing", true));
        let error = findings.result(&need(true, true)).expect_err("is none");
        assert_eq!(
            error.to_string(),
            "The image 'me/thing' is made for arm64, but the Docker Engine of this gateway runs \
             amd64."
        );
        for (need, pulled) in [
            (need(true, true), true),
            (need(true, false), false),
            (need(false, true), true),
        ] {
            let findings = Findings {
                failure: failure().filter(|_| pulled),
                ..Findings::default()
            };
            let error = findings.result(&need).expect_err("is none");
            match (need.blackbox, error) {
                (true, StartError::Pull { image, reason }) => {
                    assert_eq!(image, "me/thing");
                    let why = if pulled {
                        "no such host"
                    } else {
                        "OWL_BLACKBOX_AUTO_PULL"
                    };
                    assert!(reason.contains(why), "{reason}");
                }
                (false, StartError::Missing(reason)) => assert!(reason.contains("no such host")),
                (_, other) => panic!("{other}"),
            }
        }
    }
}
