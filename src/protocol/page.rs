//! Pages of a list: `page` and `size` in, `items`, `total`, `page`, `size`, `pages` out.
//!
//! Decides: bounds and defaults, which are those of Fides. Leaves to others: what is listed, and in which order.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{json_text, validation::Issue};

/// Largest page.
const PAGE_SIZE_LIMIT: u32 = 100;

/// Page size when none is asked for.
const PAGE_SIZE: u32 = 50;

/// Which page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuery {
    /// From 1.
    pub page: u32,
    /// Rows on a page.
    pub size: u32,
}

impl PageQuery {
    /// Reads `page` and `size`.
    ///
    /// # Errors
    /// 422: no whole number, or out of bounds.
    pub fn read(page: Option<&str>, size: Option<&str>) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let mut number = |name: &str, text: Option<&str>, default: u32, most: u32| {
            let loc = || vec!["query".into(), name.into()];
            issues.push(match text.map(str::parse::<u32>) {
                None => return default,
                Some(Ok(number)) if (1..=most).contains(&number) => return number,
                Some(Ok(0)) => Issue::too_small(loc(), 1),
                Some(Ok(_)) => Issue::too_large(loc(), most.into()),
                Some(Err(_)) => {
                    let msg = "Input should be a valid integer, unable to parse string as an integer";
                    Issue::new("int_parsing", loc(), msg)
                }
            });
            default
        };
        // The last page of a directory with ten million connections at one row a page.
        let page = number("page", page, 1, 10_000_000);
        let size = number("size", size, PAGE_SIZE, PAGE_SIZE_LIMIT);
        if issues.is_empty() { Ok(Self { page, size }) } else { Err(issues) }
    }

    /// Rows before this page.
    #[must_use]
    pub const fn offset(self) -> u32 {
        (self.page - 1).saturating_mul(self.size)
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The views of its rows.
    #[serde(with = "json_text")]
    pub items: Vec<Value>,
    /// Rows in all.
    pub total: u32,
}

impl Page {
    /// The answer to the query that this page was read for. A page past the end has no items; nothing at all, no pages.
    #[must_use]
    pub fn answer(self, query: PageQuery) -> Value {
        let pages = self.total.div_ceil(query.size);
        json!({ "items": self.items, "total": self.total, "page": query.page, "size": query.size, "pages": pages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_and_size_have_the_bounds_of_fides() {
        assert_eq!(PageQuery::read(None, None), Ok(PageQuery { page: 1, size: 50 }));
        assert_eq!(PageQuery::read(Some("3"), Some("100")).unwrap().offset(), 200);
        for (page, size, kind) in [
            (Some("0"), None, "greater_than_equal"),
            (None, Some("101"), "less_than_equal"),
            (Some("x"), None, "int_parsing"),
            (Some("-1"), None, "int_parsing"),
        ] {
            assert_eq!(PageQuery::read(page, size).unwrap_err()[0].kind, kind);
        }
    }

    #[test]
    fn a_page_past_the_end_has_no_items_and_nothing_has_no_pages() {
        let query = PageQuery { page: 3, size: 2 };
        let answer = |total| Page { items: Vec::new(), total }.answer(query);
        assert_eq!(answer(4), json!({"items": [], "total": 4, "page": 3, "size": 2, "pages": 2}));
        assert_eq!(answer(5)["pages"], 3);
        assert_eq!(answer(0)["pages"], 0);
    }
}
