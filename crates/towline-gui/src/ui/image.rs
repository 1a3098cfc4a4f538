//! Pictures that a model made.

use egui::{ColorImage, Ui, load::SizedTexture};

use crate::chats::ChatKey;
use towline_app::chat::AnswerId;

/// Maximum width and height of a picture, in pixels.
const MAX_SIDE: u32 = 4_096;
/// Memory limit of decoding, in bytes.
const MAX_BYTES: u64 = 128 << 20;

/// Draws the thumbnail of an attachment.
pub(super) fn thumbnail(ui: &mut Ui, name: &str, bytes: &[u8]) {
    match texture(ui, egui::Id::unique(("thumbnail", name, bytes.len())), || decode(bytes)) {
        Ok(texture) => {
            let image = egui::Image::new(SizedTexture::from_handle(&texture));
            ui.add(image.fit_to_exact_size(egui::vec2(32.0, 32.0)).alt_text(name));
        }
        Err(_) => drop(ui.label("🖼")),
    }
}

/// The texture of a picture, which is decoded once.
fn texture(
    ui: &Ui,
    id: egui::Id,
    decode: impl FnOnce() -> Result<ColorImage, String>,
) -> Result<egui::TextureHandle, String> {
    let known: Option<Result<egui::TextureHandle, String>> = ui.data(|data| data.get_temp(id));
    known.unwrap_or_else(|| {
        let load = |image| ui.ctx().load_texture(format!("{id:?}"), image, egui::TextureOptions::LINEAR);
        let decoded = decode().map(load);
        ui.data_mut(|data| data.insert_temp(id, decoded.clone()));
        decoded
    })
}

/// Draws a picture from base64.
pub(super) fn show(ui: &mut Ui, key: (ChatKey, AnswerId, usize), base64: &str) {
    match texture(ui, egui::Id::unique(("image", key)), || decode_base64(base64)) {
        Ok(texture) => {
            let image = egui::Image::new(SizedTexture::from_handle(&texture))
                .max_width(ui.available_width().min(512.0));
            ui.add(image.alt_text("a picture by the model"));
        }
        Err(why) => drop(ui.weak(format!("a picture that cannot be shown: {why}"))),
    }
}

fn decode_base64(base64: &str) -> Result<ColorImage, String> {
    use base64::Engine as _;
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(base64).map_err(|error| error.to_string())?;
    decode(&bytes)
}

fn decode(bytes: &[u8]) -> Result<ColorImage, String> {
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
