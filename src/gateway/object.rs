//! JSON objects whose members keep their order and their texts.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::entity::Members;

/// Members of an object by unique names.
#[derive(Clone, Debug, Default)]
pub(super) struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    /// Sets a value, in its place if there is one, else at the end.
    pub(super) fn set(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        let value = to_raw_value(value).expect("texts and JSON values make JSON");
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Adds a member whose name is not there yet: without looking, as there may be very many.
    pub(super) fn add(&mut self, name: String, value: Box<RawValue>) {
        self.0.push((name, value));
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// The members in their order.
    pub(super) fn into_members(self) -> impl Iterator<Item = (String, Box<RawValue>)> {
        self.0.into_iter()
    }

    /// The members in their order.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.members())
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Members::deserialize(deserializer)?;
        let mut object = Object::default();
        // Of several of a name the last counts; a map finds them without comparing all with all.
        let mut places = std::collections::HashMap::new();
        for (name, value) in members.0 {
            match places.get(&name) {
                Some(&at) => {
                    let (_, old): &mut (String, Box<RawValue>) = &mut object.0[at];
                    *old = value.to_owned();
                }
                None => {
                    object.0.push((name.clone().into_owned(), value.to_owned()));
                    places.insert(name, object.0.len() - 1);
                }
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_texts_stay() {
        let text = r#"{"b":1.50,"a":{"x": [1]}}"#;
        let mut object: Object = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
        object.set("b", "x");
        object.set("c", &7);
        assert_eq!(object.take("a").unwrap().get(), r#"{"x": [1]}"#);
        assert_eq!(
            serde_json::to_string(&object).unwrap(),
            r#"{"b":"x","c":7}"#
        );
        let twice: Object = serde_json::from_str(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(serde_json::to_string(&twice).unwrap(), r#"{"a":3,"b":2}"#);
        assert!(serde_json::from_str::<Object>("[]").is_err());
    }
}
