//! Arguments as one line, quoted so that the C library's rules (and Rust's) take them apart again as they were.

/// The line for `CreateProcessW`, without the final NUL.
pub fn join(arguments: &[&str]) -> String {
    arguments.iter().map(|argument| quote(argument)).collect::<Vec<_>>().join(" ")
}

/// Backslashes are themselves, except before a quotation mark; there each is written twice.
fn quote(argument: &str) -> String {
    let is_plain = !argument.is_empty() && !argument.contains([' ', '\t', '\n', '\u{b}', '"']);
    if is_plain {
        return argument.to_owned();
    }
    let mut line = String::from("\"");
    let mut backslashes = 0;
    for character in argument.chars() {
        if character == '"' {
            line.push_str(&"\\".repeat(backslashes + 1));
        }
        backslashes = if character == '\\' { backslashes + 1 } else { 0 };
        line.push(character);
    }
    line.push_str(&"\\".repeat(backslashes));
    line.push('"');
    line
}

/// UTF-16 with a final NUL, as the wide calls want text; `None` when there is a NUL inside.
pub fn wide(text: &str) -> Option<Vec<u16>> {
    let is_whole = !text.contains('\0');
    is_whole.then(|| text.encode_utf16().chain([0]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a line apart by the documented rules (2n backslashes and a quote: n backslashes, and the quote is syntax).
    fn split(line: &str) -> Vec<String> {
        let mut arguments = Vec::new();
        let (mut current, mut is_quoted, mut has_one, mut backslashes) = (String::new(), false, false, 0);
        for character in line.chars().chain([' ']) {
            if character == '\\' {
                backslashes += 1;
                continue;
            }
            let literal = if character == '"' { backslashes / 2 } else { backslashes };
            current.push_str(&"\\".repeat(literal));
            has_one |= backslashes > 0;
            match character {
                '"' if backslashes % 2 == 1 => current.push('"'),
                '"' => (is_quoted, has_one) = (!is_quoted, true),
                ' ' | '\t' if !is_quoted => {
                    if std::mem::take(&mut has_one) || !current.is_empty() {
                        arguments.push(std::mem::take(&mut current));
                    }
                }
                other => current.push(other),
            }
            backslashes = 0;
        }
        arguments
    }

    #[test]
    fn sbx_2_arguments_come_out_as_they_went_in() {
        let hard = [
            "",
            "plain",
            r"C:\Program Files\Askee\askee-runner.exe",
            r#"say "hi""#,
            r"ends with \",
            r#"\" \\" \\\" "#,
            "tab\there",
            r"\\server\share name\",
        ];
        assert_eq!(split(&join(&hard)), hard);
        for first in hard {
            for second in hard {
                assert_eq!(split(&join(&[first, second])), [first, second]);
            }
        }
    }

    #[test]
    fn sbx_2_text_with_a_nul_is_refused() {
        assert_eq!(wide("a\0b"), None);
        assert_eq!(wide("aé"), Some(vec![0x61, 0xe9, 0]));
    }
}
