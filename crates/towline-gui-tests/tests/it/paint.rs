//! Paints frames without any graphics card or driver, so that pictures are the same on every machine.

use std::collections::HashMap;

use egui::epaint::{ImageData, ImageDelta, Primitive, Vertex};
use egui::{Color32, ColorImage, Rect, TextureId, TexturesDelta};
use egui_kittest::TestRenderer;
use image::{Rgba, RgbaImage};

/// Triangles of the frame, filled pixel by pixel.
#[derive(Default)]
pub struct Painter {
    textures: HashMap<TextureId, ColorImage>,
}

impl TestRenderer for Painter {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        for (id, changes) in delta.set.drain() {
            for change in changes {
                self.change(id, &change);
            }
        }
        for id in delta.free.drain() {
            self.textures.remove(&id);
        }
    }

    fn render(&mut self, context: &egui::Context, output: &egui::FullOutput) -> Result<RgbaImage, String> {
        let scale = output.pixels_per_point;
        let size = context.content_rect().size() * scale;
        let mut picture =
            RgbaImage::from_pixel(size.x.round() as u32, size.y.round() as u32, Rgba([0, 0, 0, 255]));
        for clipped in context.tessellate(output.shapes.clone(), scale) {
            let Primitive::Mesh(mesh) = &clipped.primitive else { return Err("a callback".into()) };
            let texture = self.textures.get(&mesh.texture_id).ok_or("a texture is missing")?;
            for corners in mesh.indices.chunks_exact(3) {
                let corners = [0, 1, 2].map(|corner| mesh.vertices[corners[corner] as usize]);
                triangle(&mut picture, clipped.clip_rect, texture, corners, scale);
            }
        }
        Ok(picture)
    }
}

impl Painter {
    fn change(&mut self, id: TextureId, change: &ImageDelta) {
        let ImageData::Color(image) = &change.image;
        let Some([left, top]) = change.pos else {
            self.textures.insert(id, (**image).clone());
            return;
        };
        let texture = self.textures.get_mut(&id).expect("a part of a texture that is there");
        for row in 0..image.height() {
            let (from, to) = (row * image.width(), (top + row) * texture.width() + left);
            texture.pixels[to..to + image.width()].copy_from_slice(&image.pixels[from..from + image.width()]);
        }
    }
}

/// Twice the area of a triangle; its sign says which way round it goes.
fn area(a: [f32; 2], b: [f32; 2], c: [f32; 2]) -> f32 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

fn triangle(picture: &mut RgbaImage, clip: Rect, texture: &ColorImage, corners: [Vertex; 3], scale: f32) {
    let points = corners.map(|corner| [corner.pos.x * scale, corner.pos.y * scale]);
    let whole = area(points[0], points[1], points[2]);
    if whole == 0.0 {
        return;
    }
    let span = |axis: usize, from: f32, to: f32, end: u32| {
        let low = points.iter().map(|point| point[axis]).fold(f32::INFINITY, f32::min).max(from * scale);
        let high = points.iter().map(|point| point[axis]).fold(f32::NEG_INFINITY, f32::max).min(to * scale);
        (low - 0.5).ceil().max(0.0) as u32..((high - 0.5).floor() + 1.0).clamp(0.0, end as f32) as u32
    };
    let (columns, rows) = (
        span(0, clip.left(), clip.right(), picture.width()),
        span(1, clip.top(), clip.bottom(), picture.height()),
    );
    for y in rows {
        for x in columns.clone() {
            let here = [x as f32 + 0.5, y as f32 + 0.5];
            let weights = [
                area(points[1], points[2], here) / whole,
                area(points[2], points[0], here) / whole,
                area(points[0], points[1], here) / whole,
            ];
            // A pixel on an edge belongs to one of the two triangles that share it.
            let is_inside = (0..3).all(|at| {
                let (from, to) = (points[(at + 1) % 3], points[(at + 2) % 3]);
                let owns = if whole > 0.0 {
                    (from[1], to[0]) < (to[1], from[0])
                } else {
                    (to[1], from[0]) < (from[1], to[0])
                };
                weights[at] > 0.0 || (weights[at] == 0.0 && owns)
            });
            if !is_inside {
                continue;
            }
            let mix =
                |value: fn(&Vertex) -> f32| (0..3).map(|at| value(&corners[at]) * weights[at]).sum::<f32>();
            let tint: [f32; 4] = [
                mix(|corner| corner.color.r().into()),
                mix(|corner| corner.color.g().into()),
                mix(|corner| corner.color.b().into()),
                mix(|corner| corner.color.a().into()),
            ];
            let texel = sample(texture, mix(|corner| corner.uv.x), mix(|corner| corner.uv.y));
            let under = picture.get_pixel_mut(x, y);
            let alpha = tint[3] * texel[3] / 255.0;
            for channel in 0..3 {
                let over = tint[channel] * texel[channel] / 255.0;
                let mixed = over + f32::from(under.0[channel]) * (1.0 - alpha / 255.0);
                under.0[channel] = mixed.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// The texture between its four nearest pixels.
fn sample(texture: &ColorImage, u: f32, v: f32) -> [f32; 4] {
    let (x, y) = (u * texture.width() as f32 - 0.5, v * texture.height() as f32 - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let (right_part, low_part) = (x - left, y - top);
    let pixel = |dx: f32, dy: f32| -> Color32 {
        let x = (left + dx).clamp(0.0, texture.width() as f32 - 1.0) as usize;
        let y = (top + dy).clamp(0.0, texture.height() as f32 - 1.0) as usize;
        texture.pixels[y * texture.width() + x]
    };
    let parts = [
        (pixel(0.0, 0.0), (1.0 - right_part) * (1.0 - low_part)),
        (pixel(1.0, 0.0), right_part * (1.0 - low_part)),
        (pixel(0.0, 1.0), (1.0 - right_part) * low_part),
        (pixel(1.0, 1.0), right_part * low_part),
    ];
    let mut mixed = [0.0; 4];
    for (color, part) in parts {
        for (sum, channel) in mixed.iter_mut().zip(color.to_array()) {
            *sum += f32::from(channel) * part;
        }
    }
    mixed
}
