//! Attachments of questions.

use towline::Message;

/// An attachment of the next question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A picture, for models with vision.
    Image { name: String, bytes: Vec<u8> },
    /// Text, which is inserted before the question.
    Text { name: String, text: String },
}

impl Attachment {
    /// An attachment of a file, by its content.
    ///
    /// # Errors
    /// The reason why it cannot be attached, for people.
    pub fn of(name: String, bytes: Vec<u8>) -> Result<Self, String> {
        let is_image = bytes.starts_with(b"\x89PNG")
            || bytes.starts_with(b"\xff\xd8\xff")
            || bytes.starts_with(b"GIF8")
            || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"));
        if is_image {
            return Ok(Self::Image { name, bytes });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::Text { name, text }),
            Err(_) => Err(format!("{name} is neither text in UTF-8 nor a PNG, JPEG, GIF or WebP picture")),
        }
    }

    /// A picture that was pasted.
    ///
    /// # Errors
    /// If it cannot be encoded as a PNG, for people.
    pub fn of_pixels(image: &egui::ColorImage) -> Result<Self, String> {
        let pixels: Vec<u8> = image.pixels.iter().flat_map(|pixel| pixel.to_srgba_unmultiplied()).collect();
        let size = |side: usize| u32::try_from(side).map_err(|_| "the picture is too large".to_owned());
        let (width, height) = (size(image.size[0])?, size(image.size[1])?);
        let mut bytes = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        image::ImageEncoder::write_image(encoder, &pixels, width, height, image::ExtendedColorType::Rgba8)
            .map_err(|error| format!("the picture cannot be used: {error}"))?;
        Ok(Self::Image { name: "pasted picture".into(), bytes })
    }

    /// Its file's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Image { name, .. } | Self::Text { name, .. } => name,
        }
    }
}

/// A question with its attachments.
pub(super) fn question(text: &str, attached: &[Attachment]) -> Message {
    let mut content = String::new();
    let mut message = Message::user("");
    for attachment in attached {
        match attachment {
            Attachment::Image { bytes, .. } => message = message.with_image(bytes),
            Attachment::Text { name, text } => {
                // A fence that the text cannot close.
                let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0).max(2);
                let fence = "`".repeat(longest + 1);
                let end = if text.ends_with('\n') { "" } else { "\n" };
                content.push_str(&format!("{name}:\n{fence}\n{text}{end}{fence}\n\n"));
            }
        }
    }
    content.push_str(text);
    message.content = content;
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_is_in_it() {
        let text = Attachment::of("a.rs".into(), b"x ``` y".to_vec()).unwrap();
        let image = Attachment::of("a.txt".into(), b"\x89PNG\r\n".to_vec()).unwrap();
        let message = question("why?", &[text, image]);
        assert_eq!(message.content, "a.rs:\n````\nx ``` y\n````\n\nwhy?");
        assert_eq!(message.images.len(), 1);
        assert!(Attachment::of("b".into(), vec![0xff, 0x00]).unwrap_err().contains("neither"));
    }
}
