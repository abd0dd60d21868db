//! How long encoding takes, against the C library and in its own variants.
//!
//! ```sh
//! python3 -m venv target/bench-venv && target/bench-venv/bin/pip install numpy simplejpeg
//! cargo bench --bench encode              # a minute or two; -- --quick: half a minute
//! ```
//!
//! Without the first line, the columns about the C library are empty. `FRAMEHUB_BENCH_PYTHON` names another Python.

#![expect(clippy::cast_precision_loss, reason = "files are smaller than 2^52 bytes")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::encoders::whole;
use common::pictures::Picture;
use common::{Contestant, Effort, Table, here, kb, ms, race, ratio};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use framehub::Frame;
use framehub::encode::{self, Codec, Encoded, Variant};
use image::codecs::png::PngEncoder;
use image::imageops::replace;
use image::{ImageEncoder, RgbImage};
use serde_json::{Value, json};

const SIZES: [(u32, u32); 2] = [(640, 480), (1920, 1080)];

fn main() {
    let effort = Effort::from_args();
    let mut peer = match Peer::start() {
        Ok(peer) => {
            println!("C library: {}", peer.versions);
            Some(peer)
        }
        Err(reason) => {
            println!(
                "No comparison with the C library ({reason}). To have one:\n  \
                 python3 -m venv target/bench-venv && target/bench-venv/bin/pip install numpy simplejpeg"
            );
            None
        }
    };
    jpeg(effort, peer.as_mut());
    png(effort, peer.as_mut());
    decision(effort);
    variants(effort);
    filters(effort);
}

fn jpeg(effort: Effort, mut peer: Option<&mut Peer>) {
    let mut table =
        Table::new(["picture", "size", "quality", "FrameHub ms", "C ms", "FrameHub / C", "KB", "same bytes"]);
    for (width, height) in SIZES {
        for picture in Picture::ALL {
            let frame = picture.rgb(width, height);
            for quality in [80, 96] {
                let bytes = whole(&frame, Codec::Jpeg { quality }).parts.remove(0).bytes;
                let ours = here(|| whole(&frame, Codec::Jpeg { quality }));
                let (ours, theirs, same) = match peer.as_mut() {
                    None => (race(effort, [ours])[0], None, "–"),
                    Some(peer) => {
                        peer.show(&frame);
                        let same = if peer.file("jpeg", quality) == bytes { "yes" } else { "no" };
                        let [ours, theirs] = race(effort, [ours, peer.contestant("jpeg", quality)]);
                        (ours, Some(theirs), same)
                    }
                };
                table.row([
                    picture.name().to_owned(),
                    format!("{width}×{height}"),
                    quality.to_string(),
                    ms(ours),
                    theirs.map_or("–".to_owned(), ms),
                    theirs.map_or("–".to_owned(), |theirs| ratio(ours, theirs)),
                    kb(bytes.len()),
                    same.to_owned(),
                ]);
            }
        }
    }
    table.print(
        "JPEG, 4:4:4, against libjpeg-turbo through simplejpeg. Below quality 96, simplejpeg uses the faster, \
         less exact DCT:\nthe time is what it would take there, the bytes are others.",
    );
}

fn png(effort: Effort, mut peer: Option<&mut Peer>) {
    let mut table = Table::new([
        "picture",
        "size",
        "FrameHub ms (KB)",
        "image crate ms (KB)",
        "zlib 7 ms (KB)",
        "FrameHub / image",
        "FrameHub / zlib 7",
        "PNG / JPEG 80",
    ]);
    for (width, height) in SIZES {
        for picture in Picture::ALL {
            let frame = picture.rgb(width, height);
            let by_image = || {
                let mut file = Vec::new();
                PngEncoder::new(&mut file)
                    .write_image(frame.pixels(), width, height, image::ExtendedColorType::Rgb8)
                    .expect("the image crate encodes RGB");
                file
            };
            let [ours, image, jpeg] = race(
                effort,
                [
                    here(|| whole(&frame, Codec::Png)),
                    here(by_image),
                    here(|| whole(&frame, Codec::Jpeg { quality: 80 })),
                ],
            );
            let zlib = peer.as_mut().map(|peer| {
                peer.show(&frame);
                let bytes = peer.file("png", 0).len();
                let few = Effort { times: 1, ..effort };
                let [ours, zlib] = race(few, [here(|| whole(&frame, Codec::Png)), peer.contestant("png", 0)]);
                (zlib, bytes, ratio(ours, zlib))
            });
            let bytes = whole(&frame, Codec::Png).parts.remove(0).bytes.len();
            table.row([
                picture.name().to_owned(),
                format!("{width}×{height}"),
                format!("{} ({})", ms(ours), kb(bytes)),
                format!("{} ({})", ms(image), kb(by_image().len())),
                zlib.as_ref()
                    .map_or("–".to_owned(), |(zlib, bytes, _)| format!("{} ({})", ms(*zlib), kb(*bytes))),
                ratio(ours, image),
                zlib.map_or("–".to_owned(), |(_, _, ratio)| ratio),
                ratio(ours, jpeg),
            ]);
        }
    }
    table.print("PNG, against the image crate's default and against a plain writer with zlib level 7.");
}

/// What a picture becomes by its content, beside all of it as one or the other.
fn decision(effort: Effort) {
    const QUALITY: u8 = 80;
    let mut table = Table::new([
        "picture",
        "by content ms (KB)",
        "JPEG 80 ms (KB)",
        "PNG ms (KB)",
        "WebP ms (KB)",
        "/ JPEG: time",
        "bytes",
        "parts",
        "exact",
        "dB",
        "JPEG dB",
    ]);
    let (width, height) = (1920, 1080);
    for picture in Picture::ALL {
        let frame = picture.rgb(width, height);
        let codecs = [
            Codec::ByContent { quality: QUALITY },
            Codec::Jpeg { quality: QUALITY },
            Codec::Png,
            Codec::WebP,
        ];
        let encoded = codecs.map(|codec| whole(&frame, codec));
        let seconds = race(
            effort,
            codecs.map(|codec| {
                here({
                    let frame = &frame;
                    move || whole(frame, codec)
                })
            }),
        );
        let cell = |index: usize| format!("{} ({})", ms(seconds[index]), encoded[index].len().div_ceil(1024));
        let parts = &encoded[0].parts;
        let exact: u64 = parts.iter().filter(|part| part.lossless).map(|part| part.rect().area()).sum();
        table.row([
            picture.name().to_owned(),
            cell(0),
            cell(1),
            cell(2),
            cell(3),
            ratio(seconds[0], seconds[1]),
            format!("{:.2}×", encoded[0].len() as f64 / encoded[1].len() as f64),
            parts.len().to_string(),
            format!("{} %", exact * 100 / frame.area()),
            closeness(&frame, &encoded[0]),
            closeness(&frame, &encoded[1]),
        ]);
    }
    table.print(
        "What a tile becomes, and at what resolution its colours go, is decided from a sample of its pixels: 1920×1080.\n\
         JPEG is with all of the colours' resolution. dB: how close to the frame it is when decoded; ∞ is equal.",
    );
}

/// How close what was made of an RGB frame is to it: the peak signal-to-noise ratio in decibels.
fn closeness(frame: &Frame, encoded: &Encoded) -> String {
    let mut canvas = RgbImage::new(frame.width(), frame.height());
    for part in &encoded.parts {
        let image = image::load_from_memory(&part.bytes).expect("parts are images").into_rgb8();
        replace(&mut canvas, &image, part.x.into(), part.y.into());
    }
    let square = |(one, other): (&u8, &u8)| f64::from(one.abs_diff(*other)).powi(2);
    let squares: f64 = canvas.iter().zip(frame.pixels()).map(square).sum();
    if squares == 0.0 {
        return "∞".to_owned();
    }
    format!("{:.1}", 10.0 * (255.0_f64.powi(2) * frame.pixels().len() as f64 / squares).log10())
}

fn variants(effort: Effort) {
    const JPEG: Codec = Codec::Jpeg { quality: 80 };
    let (width, height) = (1920, 1080);
    let [gray, rgb, rgba] =
        [Picture::gray, Picture::rgb, Picture::rgba].map(|make| make(Picture::Plot, width, height));
    let cases = [
        ("JPEG", &rgb, JPEG, 1, false),
        ("JPEG of RGBA", &rgba, JPEG, 1, false),
        ("JPEG of grey", &gray, JPEG, 1, false),
        ("JPEG as data URI", &rgb, JPEG, 1, true),
        ("JPEG of half the width and height", &rgb, JPEG, 2, false),
        ("JPEG of half, of RGBA", &rgba, JPEG, 2, false),
        ("PNG", &rgb, Codec::Png, 1, false),
        ("PNG of RGBA", &rgba, Codec::Png, 1, false),
        ("PNG of grey", &gray, Codec::Png, 1, false),
        ("PNG of half the width and height", &rgb, Codec::Png, 2, false),
    ];
    let seconds = race(
        effort,
        cases.map(|(_, frame, codec, divisor, base64)| {
            let variant = Variant { width: width / divisor, height: height / divisor, codec, base64 };
            here(move || encode::whole(frame, variant).expect("the benchmark's frames can be encoded"))
        }),
    );
    let mut table = Table::new(["variant", "ms", "/ first"]);
    for ((name, ..), one) in cases.into_iter().zip(seconds) {
        table.row([name.to_owned(), ms(one), ratio(one, seconds[0])]);
    }
    table.print("Variants of one plot, 1920×1080.");
}

fn filters(effort: Effort) {
    let frame = Picture::Plot.rgb(1920, 1080);
    let filters = [
        ("box", FilterType::Box),
        ("bilinear (moving)", FilterType::Bilinear),
        ("Catmull-Rom (still)", FilterType::CatmullRom),
        ("Lanczos, three lobes", FilterType::Lanczos3),
    ];
    let mut table = Table::new(["filter", "to 960×540 ms", "/ first", "to 1500×844 ms", "/ first"]);
    let [half, most] = [(960, 540), (1500, 844)].map(|(width, height)| {
        race(effort, filters.map(|(_, filter)| scaling(&frame, width, height, filter)))
    });
    for (index, (name, _)) in filters.into_iter().enumerate() {
        table.row([
            name.to_owned(),
            ms(half[index]),
            ratio(half[index], half[0]),
            ms(most[index]),
            ratio(most[index], most[0]),
        ]);
    }
    table.print("Scaling a plot, 1920×1080, by fast_image_resize.");
}

fn scaling(frame: &Frame, width: u32, height: u32, filter: FilterType) -> Contestant<'_> {
    let mut resizer = Resizer::new();
    let mut target = TypedImage::<U8x3>::new(width, height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    here(move || {
        let source = TypedImageRef::<U8x3>::from_buffer(frame.width(), frame.height(), frame.pixels())
            .expect("a frame has as many bytes as its size says");
        resizer.resize_typed(&source, &mut target, &options).expect("no picture is empty");
    })
}

/// `libjpeg_peer.py`, running.
struct Peer {
    versions: String,
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where the pixels of the frame that is shown are, and the images that come back.
    pixels: PathBuf,
    image: PathBuf,
    size: (u32, u32),
}

impl Peer {
    fn start() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os("FRAMEHUB_BENCH_PYTHON")
            .map_or_else(|| root.join("target/bench-venv/bin/python"), PathBuf::from);
        let mut process = Command::new(&python)
            .arg(root.join("benches/libjpeg_peer.py"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", python.display()))?;
        let requests = process.stdin.take().ok_or("it has no input")?;
        let answers = BufReader::new(process.stdout.take().ok_or("it has no output")?);
        let scratch =
            |name| std::env::temp_dir().join(format!("framehub-bench-{}-{name}", std::process::id()));
        let mut peer = Self {
            versions: String::new(),
            process,
            requests,
            answers,
            pixels: scratch("pixels"),
            image: scratch("image"),
            size: (0, 0),
        };
        let first = peer.answer().ok_or("Python with numpy and simplejpeg did not start")?;
        first["versions"].as_str().unwrap_or("unknown").clone_into(&mut peer.versions);
        Ok(peer)
    }

    /// Gives it the frame that the next requests are about.
    fn show(&mut self, frame: &Frame) {
        std::fs::write(&self.pixels, frame.pixels()).expect("the temporary directory takes files");
        self.size = (frame.width(), frame.height());
    }

    /// What it makes of the frame.
    fn file(&mut self, codec: &str, quality: u8) -> Vec<u8> {
        let image = self.image.clone();
        self.ask(codec, quality, 1, Some(&image));
        std::fs::read(&image).expect("the peer wrote the image")
    }

    fn contestant(&mut self, codec: &'static str, quality: u8) -> Contestant<'_> {
        Box::new(move |times| self.ask(codec, quality, times, None))
    }

    fn ask(&mut self, codec: &str, quality: u8, times: usize, out: Option<&Path>) -> Vec<f64> {
        let (width, height) = self.size;
        let request = json!({
            "codec": codec, "path": self.pixels, "width": width, "height": height,
            "quality": quality, "times": times, "out": out,
        });
        writeln!(self.requests, "{request}").expect("the peer listens");
        let answer = self.answer().expect("the peer answers; its error is above");
        let seconds = answer["seconds"].as_array().expect("seconds are a list");
        seconds.iter().filter_map(Value::as_f64).collect()
    }

    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.pixels);
        let _ = std::fs::remove_file(&self.image);
    }
}
