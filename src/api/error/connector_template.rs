//! What we say about connector templates and connection types, in Fides's words.

use http::StatusCode;

use super::ApiError;
use crate::connection::connector_template::TEMPLATE_LIMIT;

impl ApiError {
    /// 415 for an archive, which Fides takes.
    #[must_use]
    pub fn archive() -> Self {
        let text = "Archives are not taken. Send the definition itself as application/yaml or application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    }

    /// 409 when nothing more can be registered.
    #[must_use]
    pub fn too_many_templates() -> Self {
        let text = format!("There are {TEMPLATE_LIMIT} connector templates already. Delete one first");
        Self::new(StatusCode::CONFLICT, text)
    }

    /// 404 where a template is asked for.
    #[must_use]
    pub fn no_template(kind: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("No connector template found with type '{kind}'"))
    }

    /// 422 for secrets of a connection that is new, and of no type.
    #[must_use]
    pub fn no_connector_type() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "saas_connector_type is missing")
    }

    /// 422 for secrets where nothing says what they should be.
    #[must_use]
    pub fn no_definition_for_secrets() -> Self {
        let text =
            "A SaaS config to validate the secrets is unavailable for this connection config, please add one via";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{text} /connection/{{connection_key}}/saas_config"))
    }

    /// 404 where a connection is to be made of a template.
    #[must_use]
    pub fn unknown_template(kind: &str) -> Self {
        let rest = "is not yet available in Fidesops. For a list of available SaaS connectors, refer to";
        Self::new(StatusCode::NOT_FOUND, format!("SaaS connector type '{kind}' {rest} /connection_type."))
    }

    /// 404 where a connection type is asked for.
    #[must_use]
    pub fn no_connection_type(kind: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("No connection type found with name '{kind}'."))
    }

    /// 404 where a connector type is to be used.
    #[must_use]
    pub fn unknown_connector_type(kind: &str) -> Self {
        let rest = "is not yet available in Fides. For a list of available SaaS connectors, refer to /connection_type.";
        Self::new(StatusCode::NOT_FOUND, format!("SaaS connector type '{kind}' {rest}"))
    }
}
