//! The body of `PUT .../actions/{name}`: how it makes or changes an action (reference sections
//! 2.2.3 and 2.2.4).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::action::exec_annotation;
use super::{
    Action, ActionLimits, ActionRanges, EntityError, Exec, FullName, Kinds, NewExec, NewLimits,
    Parameters, Version, json,
};

/// What a client wants an action to be; what it leaves out is `None`.
#[derive(Debug)]
pub struct NewAction {
    /// What it runs.
    pub exec: Option<NewExec>,
    parameters: Option<Parameters>,
    annotations: Option<Parameters>,
    del_annotations: Vec<String>,
    limits: NewLimits,
    version: Option<Version>,
    publish: Option<bool>,
}

/// Largest parts of a document, in bytes (reference section 1.9).
#[derive(Clone, Copy, Debug)]
pub struct SizeLimits {
    /// Code, with `main` and the image's name; names of a sequence's components.
    pub exec: u64,
    /// Parameters; also annotations.
    pub parameters: u64,
}

impl SizeLimits {
    /// Checks parameters and then annotations that were sent, of any entity.
    pub fn check(
        &self,
        parameters: Option<&Parameters>,
        annotations: Option<&Parameters>,
    ) -> Result<(), EntityError> {
        let max = self.parameters;
        within("parameters", parameters.map(Parameters::size), max)?;
        within("annotations", annotations.map(Parameters::size), max)
    }
}

fn within(what: &'static str, is: Option<u64>, max: u64) -> Result<(), EntityError> {
    match is {
        Some(is) if is > max => Err(EntityError::TooLarge { what, is, max }),
        _ => Ok(()),
    }
}

impl NewAction {
    /// Parses a body, with OpenWhisk's messages. Fields that a client may not set are ignored.
    pub fn parse(body: &[u8], kinds: &dyn Kinds) -> Result<Self, EntityError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sent<'a> {
            #[serde(borrow)]
            exec: Option<&'a RawValue>,
            #[serde(borrow)]
            parameters: Option<&'a RawValue>,
            #[serde(borrow)]
            annotations: Option<&'a RawValue>,
            #[serde(borrow)]
            limits: Option<&'a RawValue>,
            del_annotations: Option<Vec<String>>,
            version: Option<String>,
            publish: Option<bool>,
        }
        let sent: Sent = json::document(body)?;
        let version = sent.version.map(|version| version.parse()).transpose()?;
        Ok(NewAction {
            exec: sent
                .exec
                .map(|exec| NewExec::parse(exec, kinds))
                .transpose()?,
            parameters: sent.parameters.map(Parameters::parse).transpose()?,
            annotations: sent.annotations.map(Parameters::parse).transpose()?,
            del_annotations: sent.del_annotations.unwrap_or_default(),
            limits: sent
                .limits
                .map_or(Ok(NewLimits::default()), NewLimits::parse)?,
            version,
            publish: sent.publish,
        })
    }

    /// Checks the sizes of the parts that were sent, in OpenWhisk's order.
    pub fn check_sizes(&self, limits: &SizeLimits) -> Result<(), EntityError> {
        within("exec", self.exec.as_ref().map(NewExec::size), limits.exec)?;
        limits.check(self.parameters.as_ref(), self.annotations.as_ref())
    }

    /// This with `namespace` in the place of `_` in the names of a sequence's components.
    #[must_use]
    pub fn resolved(mut self, namespace: &str) -> Self {
        self.exec = self.exec.map(|exec| exec.resolved(namespace));
        self
    }

    /// The components, if it is to be a sequence.
    pub fn components(&self) -> Option<&[FullName]> {
        self.exec.as_ref()?.exec.components()
    }

    /// Checks the limits that were sent.
    pub fn check_limits(&self, ranges: &ActionRanges) -> Result<(), EntityError> {
        self.limits.over(ranges.defaults(), ranges).map(|_| ())
    }

    /// The action that this makes where there is none. `now` is in milliseconds since 1970.
    pub fn create(
        self,
        namespace: &str,
        name: &str,
        ranges: &ActionRanges,
        now: u64,
    ) -> Result<Action, EntityError> {
        let limits = self.limits(ranges.defaults(), ranges)?;
        let exec = self
            .exec
            .ok_or_else(|| EntityError::Invalid("exec undefined".into()))?
            .exec;
        let mut annotations = self.annotations.unwrap_or_default();
        if annotations.get("provide-api-key").is_none() {
            annotations.annotate("provide-api-key", json::boolean(false));
        }
        annotations.annotate("exec", exec_annotation(&exec));
        Ok(Action {
            namespace: namespace.into(),
            name: name.into(),
            parameters: sequence_parameters(&exec).unwrap_or(self.parameters.unwrap_or_default()),
            exec,
            limits,
            version: self.version.unwrap_or(Version::FIRST).to_string(),
            publish: self.publish.unwrap_or(false),
            annotations,
            updated: now,
            revision: 0,
        })
    }

    /// The action that this makes of an existing one.
    pub fn update(
        self,
        old: &Action,
        ranges: &ActionRanges,
        now: u64,
    ) -> Result<Action, EntityError> {
        let limits = self.limits(old.limits, ranges)?;
        let next = || old.version.parse().map_or(Version::FIRST, Version::next);
        let becomes_sequence = self.components().is_some();
        let parameters = self.parameters_over(old);
        let exec = self.exec.map_or_else(|| old.exec.clone(), |new| new.exec);
        let mut annotations = old.annotations.clone();
        if !becomes_sequence {
            annotations = annotations.without(&self.del_annotations);
        }
        if let Some(new) = &self.annotations {
            annotations = annotations.merged(new);
        }
        annotations.annotate("exec", exec_annotation(&exec));
        Ok(Action {
            namespace: old.namespace.clone(),
            name: old.name.clone(),
            exec,
            parameters,
            limits,
            version: self.version.unwrap_or_else(next).to_string(),
            publish: self.publish.unwrap_or(old.publish),
            annotations,
            // Two updates within a millisecond, or after the clock was set back, still have an
            // order.
            updated: now.max(old.updated + 1),
            revision: old.revision,
        })
    }

    /// The parameters after an update. Those of a sequence are its components and nothing else.
    fn parameters_over(&self, old: &Action) -> Parameters {
        let was_sequence = old.exec.components().is_some();
        match (&self.exec, &self.parameters) {
            (Some(new), sent) => sequence_parameters(&new.exec).unwrap_or_else(|| match sent {
                Some(sent) => sent.clone(),
                None if was_sequence => Parameters::default(),
                None => old.parameters.clone(),
            }),
            (None, Some(sent)) if !was_sequence => sent.clone(),
            (None, _) => old.parameters.clone(),
        }
    }

    fn limits(
        &self,
        base: ActionLimits,
        ranges: &ActionRanges,
    ) -> Result<ActionLimits, EntityError> {
        self.limits.over(base, ranges)
    }
}

/// The parameters of a sequence: the names of its components, under a key that no other
/// parameter stands beside. None for anything else.
fn sequence_parameters(exec: &Exec) -> Option<Parameters> {
    let names: Vec<_> = exec
        .components()?
        .iter()
        .map(|name| format!("/{name}"))
        .collect();
    let names = serde_json::value::to_raw_value(&names).expect("texts are always valid JSON");
    let mut parameters = Parameters::default();
    parameters.annotate("_actions", names);
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::super::exec::tests::TestKinds;
    use super::*;

    fn parse(body: &str) -> Result<NewAction, EntityError> {
        NewAction::parse(body.as_bytes(), &TestKinds)
    }

    fn create(body: &str) -> Action {
        parse(body)
            .unwrap()
            .create("guest", "hello", &ActionRanges::default(), 7)
            .unwrap()
    }

    fn update(old: &Action, body: &str) -> Action {
        parse(body)
            .unwrap()
            .update(old, &ActionRanges::default(), 9)
            .unwrap()
    }

    fn show(parameters: &Parameters) -> String {
        serde_json::to_string(parameters).unwrap()
    }

    const CODE: &str = r#""exec":{"kind":"nodejs:20","code":"x"}"#;

    #[test]
    fn created() {
        // 11.3-41, 11.3-42, 11.3-54
        let action = create(&format!("{{{CODE},\"updated\":1,\"name\":\"x\"}}"));
        assert_eq!(
            String::from_utf8(action.full(Some("x"))).unwrap(),
            concat!(
                r#"{"namespace":"guest","name":"hello","#,
                r#""exec":{"kind":"nodejs:20","code":"x","binary":false},"parameters":[],"#,
                r#""limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1},"#,
                r#""version":"0.0.1","publish":false,"annotations":["#,
                r#"{"key":"provide-api-key","value":false},{"key":"exec","value":"nodejs:20"}],"#,
                r#""updated":7}"#
            )
        );
        let again = Action::from_document(&action.document(), 3).unwrap();
        assert_eq!(again.document(), action.document());
        assert_eq!(again.revision, 3);
        assert!(!again.provides_api_key());
        // 11.3-87
        assert_eq!(
            action.list_element().get(),
            concat!(
                r#"{"namespace":"guest","name":"hello","version":"0.0.1","publish":false,"#,
                r#""annotations":[{"key":"provide-api-key","value":false},"#,
                r#"{"key":"exec","value":"nodejs:20"}],"#,
                r#""limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1},"#,
                r#""exec":{"binary":false},"updated":7}"#
            )
        );
    }

    #[test]
    fn annotations_at_creation() {
        // 11.3-43, 11.3-44
        let action = create(&format!(
            r#"{{{CODE},"annotations":[{{"key":"exec","value":1}},
                {{"key":"provide-api-key","value":"yes"}}]}}"#
        ));
        assert_eq!(
            show(&action.annotations),
            r#"[{"key":"exec","value":"nodejs:20"},{"key":"provide-api-key","value":"yes"}]"#
        );
        assert!(action.provides_api_key());
    }

    #[test]
    fn updated() {
        let old = create(&format!(
            r#"{{{CODE},"parameters":[{{"key":"a","value":1}}],"limits":{{"memory":128}},
                "annotations":[{{"key":"x","value":1}},{{"key":"y","value":1}}]}}"#
        ));
        // 11.3-49
        let new = update(&old, r#"{"parameters":[{"key":"b","value":2}]}"#);
        assert_eq!(show(&new.parameters), r#"[{"key":"b","value":2}]"#);
        assert_eq!(new.exec, old.exec);
        assert_eq!(new.limits, old.limits);
        assert_eq!(new.version, "0.0.2");
        assert_eq!(new.updated, 9);
        // 11.3-53
        assert_eq!(show(&new.annotations), show(&old.annotations));
        // 11.3-51, 11.3-52
        let new = update(
            &old,
            r#"{"annotations":[{"key":"x","value":2}],
                "delAnnotations":["y","provide-api-key"]}"#,
        );
        assert_eq!(
            show(&new.annotations),
            r#"[{"key":"x","value":2},{"key":"exec","value":"nodejs:20"}]"#
        );
        // 11.3-50, 11.3-55
        let new = update(
            &old,
            r#"{"exec":{"kind":"java:8","code":"","main":"m"},"version":"2.1","publish":true,
                "limits":{"timeout":100}}"#,
        );
        assert_eq!(new.exec.kind(), "java:8");
        assert_eq!(new.version, "2.1.0");
        assert!(new.publish);
        assert_eq!((new.limits.memory, new.limits.timeout), (128, 100));
        assert!(show(&new.annotations).ends_with(r#"{"key":"exec","value":"java:8"}]"#));
    }

    #[test]
    fn sequences() {
        const SEQUENCE: &str = r#""exec":{"kind":"sequence","components":["/ns/a","/ns/p/b"]}"#;
        const COMPONENTS: &str = r#"[{"key":"_actions","value":["/ns/a","/ns/p/b"]}]"#;
        let given = r#""parameters":[{"key":"x","value":1}]"#;
        // 11.9-215
        let sequence = create(&format!("{{{SEQUENCE},{given}}}"));
        assert_eq!(show(&sequence.parameters), COMPONENTS);
        assert!(show(&sequence.annotations).ends_with(r#"{"key":"exec","value":"sequence"}]"#));
        let again = Action::from_document(&sequence.document(), 3).unwrap();
        assert_eq!(again.exec, sequence.exec);

        let kept = update(&sequence, &format!("{{{given}}}"));
        assert_eq!(show(&kept.parameters), COMPONENTS);
        // 11.3-89
        let code = update(&sequence, &format!("{{{CODE}}}"));
        assert_eq!(show(&code.parameters), "[]");
        let code = update(&sequence, &format!("{{{CODE},{given}}}"));
        assert_eq!(show(&code.parameters), r#"[{"key":"x","value":1}]"#);
        // Parameters of code stay when only the code changes.
        let same = update(&code, &format!("{{{CODE}}}"));
        assert_eq!(show(&same.parameters), show(&code.parameters));

        let delete = r#""delAnnotations":["provide-api-key"]"#;
        let sequence = update(&code, &format!("{{{SEQUENCE},{given},{delete}}}"));
        assert_eq!(show(&sequence.parameters), COMPONENTS);
        assert!(sequence.annotations.get("provide-api-key").is_some());
        let sequence = update(&sequence, &format!("{{{delete}}}"));
        assert!(sequence.annotations.get("provide-api-key").is_none());
    }

    #[test]
    fn time_goes_on_in_updates() {
        let mut old = create(&format!("{{{CODE}}}"));
        old.updated = 100;
        assert_eq!(update(&old, "{}").updated, 101);
    }

    #[test]
    fn nulls_are_missing() {
        let action = create(&format!(
            r#"{{{CODE},"parameters":null,"limits":null,"version":null,"publish":null,
                "annotations":null,"delAnnotations":null}}"#
        ));
        assert_eq!(action.version, "0.0.1");
        let error = parse(r#"{"exec":null}"#)
            .unwrap()
            .create("guest", "hello", &ActionRanges::default(), 7)
            .unwrap_err();
        // 11.3-58
        assert_eq!(error.to_string(), "exec undefined");
    }

    #[test]
    fn malformed() {
        for body in [
            "",
            "x",
            "[]",
            "\"\"",
            "{",
            r#"{"version":1}"#,
            r#"{"version":"0.0.0"}"#,
            r#"{"publish":"true"}"#,
            r#"{"delAnnotations":[1]}"#,
            r#"{"annotations":{}}"#,
        ] {
            let error = parse(body).unwrap_err();
            assert!(
                matches!(error, EntityError::Malformed(_)),
                "{body}: {error}"
            );
        }
    }

    #[test]
    fn sizes() {
        let new = parse(&format!(
            r#"{{{CODE},"parameters":[{{"key":"abc","value":1}}],
                "annotations":[{{"key":"abcd","value":1}}]}}"#
        ))
        .unwrap();
        let check = |exec, parameters| {
            let limits = SizeLimits { exec, parameters };
            new.check_sizes(&limits).map_err(|error| error.to_string())
        };
        assert_eq!(check(1, 5), Ok(()));
        // 11.3-74, 11.3-75, 11.3-76
        assert_eq!(
            check(0, 0),
            Err("exec larger than allowed: 1 > 0 bytes.".into())
        );
        assert_eq!(
            check(1, 3),
            Err("parameters larger than allowed: 4 > 3 bytes.".into())
        );
        assert_eq!(
            check(1, 4),
            Err("annotations larger than allowed: 5 > 4 bytes.".into())
        );
    }
}
