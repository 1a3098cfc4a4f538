//! Pictures that a model made.

use egui::{ColorImage, Ui, load::SizedTexture};

use crate::chats::ChatKey;
use towline_app::chat::AnswerId;

/// The widest and highest picture that is decoded, in pixels.
const MAX_SIDE: u32 = 4_096;
/// The most that decoding may take, in bytes.
const MAX_BYTES: u64 = 128 << 20;

/// Draws a picture that came in base64.
pub(super) fn show(ui: &mut Ui, key: (ChatKey, AnswerId, usize), base64: &str) {
    let id = egui::Id::unique(("image", key));
    let known: Option<Result<egui::TextureHandle, String>> = ui.data(|data| data.get_temp(id));
    let texture = known.unwrap_or_else(|| {
        let decoded = decode(base64).map(|image| {
            ui.ctx().load_texture(format!("image {key:?}"), image, egui::TextureOptions::LINEAR)
        });
        ui.data_mut(|data| data.insert_temp(id, decoded.clone()));
        decoded
    });
    match texture {
        Ok(texture) => {
            let image = egui::Image::new(SizedTexture::from_handle(&texture))
                .max_width(ui.available_width().min(512.0));
            ui.add(image.alt_text("a picture by the model"));
        }
        Err(why) => drop(ui.weak(format!("a picture that cannot be shown: {why}"))),
    }
}

fn decode(base64: &str) -> Result<ColorImage, String> {
    use base64::Engine as _;
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(base64).map_err(|error| error.to_string())?;
    let mut reader = image::ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?;
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| error.to_string())?.into_rgba8();
    let size = [image.width() as usize, image.height() as usize];
    Ok(ColorImage::from_rgba_unmultiplied(size, image.as_raw()))
}
