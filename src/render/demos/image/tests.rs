//! The viewer as a server makes it: options, events, frames.

use std::{
    fs::File,
    io::BufWriter,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use super::*;
use crate::render::{
    Kinds,
    demos::testing::{
        down, frame, handle, is_draw_requested, key, make, moved, pixel, pointer, resize, send, up, wheel,
    },
};

/// A new empty folder, removed after the test; names differ, so that tests do not meet.
struct NewFolder(PathBuf);

fn folder(name: &str) -> NewFolder {
    let folder = std::env::temp_dir().join(format!("framehub-pictures-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    NewFolder(folder)
}

impl std::ops::Deref for NewFolder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The colour of the test picture at a place: different for each of 65,536 × 256 places.
fn color_at(x: u32, y: u32) -> Color {
    [x as u8, y as u8, (x / 256 * 16 + y / 256) as u8]
}

fn save_test_picture(path: &Path, width: u32, height: u32) {
    ::image::RgbImage::from_fn(width, height, |x, y| ::image::Rgb(color_at(x, y))).save(path).unwrap();
}

/// A viewer of a folder.
fn viewer(folder: &Path, file: &str) -> Result<Viewer, KindError> {
    let given = Map::from_iter([("file".to_owned(), json!(file))]);
    let options = kind(None).complete(given)?;
    Viewer::new(
        handle(),
        &options,
        Some(Arc::new(Loader::new(Folder::new(folder.to_owned())))),
        Arc::new(Sample::default()),
    )
}

fn message(folder: &Path, file: &str) -> String {
    viewer(folder, file).err().expect("the file was opened").to_string()
}

/// The first frame after the picture has come, or why it cannot.
fn loaded(viewer: &mut Viewer) -> Frame {
    let began = Instant::now();
    loop {
        let frame = frame(viewer);
        if !matches!(viewer.content, Content::Loading { .. }) {
            return frame;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the picture never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A viewer without the thread: the test picture is open.
fn open(width: f64, height: f64, ratio: f64) -> Viewer {
    struct Picture;
    impl Source for Picture {
        fn size(&self) -> (usize, usize) {
            (3000, 2000)
        }
        fn read(&self, level: usize, left: usize, y: usize, row: &mut [u8]) {
            for (index, pixel) in row.chunks_exact_mut(3).enumerate() {
                pixel.copy_from_slice(&color_at(((left + index) << level) as u32, (y << level) as u32));
            }
        }
    }
    let options = kind(None).complete(Map::new()).unwrap();
    let mut viewer = Viewer::new(handle(), &options, None, Arc::new(Picture)).unwrap();
    send(&mut viewer, resize(width, height, ratio));
    viewer
}

/// Counts the pixels that are read of a picture.
struct Counting {
    source: Arc<dyn Source>,
    pixels: AtomicUsize,
}

impl Source for Counting {
    fn size(&self) -> (usize, usize) {
        self.source.size()
    }

    fn read(&self, level: usize, left: usize, y: usize, row: &mut [u8]) {
        self.pixels.fetch_add(row.len() / 3, Ordering::Relaxed);
        self.source.read(level, left, y, row);
    }
}

#[test]
fn at_1_to_1_the_frame_is_a_crop_of_the_pictures_own_pixels_at_every_ratio() {
    for ratio in [1.0, 1.25, 1.5, 2.0] {
        let mut viewer = open(401.0, 301.0, ratio);
        for event in [key("1"), down(200.0, 100.0), moved(167.0, 33.0), up(150.0, 40.0)] {
            send(&mut viewer, event);
        }
        let frame = frame(&mut viewer);
        let [red, green, blue] = pixel(&frame, 0, 0).map(u32::from);
        let (left, top) = (blue / 16 * 256 + red, blue % 16 * 256 + green);
        assert!((800..1600).contains(&left) && (500..1100).contains(&top), "({left}, {top})");
        for (x, y) in (0..frame.height()).flat_map(|y| (0..frame.width()).map(move |x| (x, y))) {
            assert_eq!(pixel(&frame, x, y), color_at(left + x, top + y), "at ({x}, {y}) with ratio {ratio}");
        }
    }
}

#[test]
fn the_pixel_under_the_pointer_stays_there_under_zoom() {
    for ratio in [1.0, 2.0] {
        let mut viewer = open(640.0, 480.0, ratio);
        let place = viewer.view.at(250.0, 200.0);
        for dy in [-120.0, -500.0, -1000.0, 700.0, -1000.0, -1000.0] {
            send(&mut viewer, wheel(250.0, 200.0, dy));
            let now = viewer.view.at(250.0, 200.0);
            assert!((now.0 - place.0).hypot(now.1 - place.1) < 1e-6);
        }
        let shown = pixel(&frame(&mut viewer), (250.0 * ratio) as u32, (200.0 * ratio) as u32);
        assert_eq!(shown, color_at(place.0 as u32, place.1 as u32));
    }
}

#[test]
fn a_double_click_or_f_fits_and_a_double_click_again_shows_pixels() {
    let mut viewer = open(600.0, 600.0, 1.0);
    let fitted = frame(&mut viewer);
    assert_eq!([pixel(&fitted, 300, 50), pixel(&fitted, 300, 550)], [BACKGROUND; 2]);
    assert_ne!(pixel(&fitted, 300, 300), BACKGROUND);
    send(&mut viewer, EventKind::DoubleClick(pointer(100.0, 300.0)));
    assert_eq!(viewer.view.scale, 1.0);
    send(&mut viewer, EventKind::DoubleClick(pointer(100.0, 300.0)));
    assert!(frame(&mut viewer) == fitted);
    send(&mut viewer, key("+"));
    send(&mut viewer, key("f"));
    assert!(frame(&mut viewer) == fitted);
}

#[test]
fn a_far_view_shows_means_of_pixels_and_a_near_one_squares() {
    let folder = folder("means");
    ::image::GrayImage::from_fn(64, 64, |x, _| ::image::Luma([if x % 2 == 0 { 0 } else { 255 }]))
        .save(folder.join("stripes.png"))
        .unwrap();
    let mut viewer = viewer(&folder, "").unwrap();
    send(&mut viewer, resize(16.0, 16.0, 1.0));
    let far = loaded(&mut viewer);
    assert!(far.pixels().iter().all(|value| (127..=128).contains(value)));
    send(&mut viewer, resize(640.0, 640.0, 1.0));
    let near = frame(&mut viewer);
    assert_eq!([0, 9, 10, 19, 20].map(|x| pixel(&near, x, 300)[0]), [0, 0, 255, 255, 0]);
}

#[test]
fn the_picture_cannot_be_dragged_out_of_view_and_any_size_is_fine() {
    let mut viewer = open(640.0, 480.0, 1.0);
    for event in [down(0.0, 0.0), moved(1e6, 1e6), up(1e6, -1e6)] {
        send(&mut viewer, event);
        assert!(frame(&mut viewer).pixels().chunks_exact(3).any(|pixel| pixel != BACKGROUND));
    }
    for (width, height) in [(1.0, 1.0), (0.0, 0.0), (3000.0, 1.0), (1.0, 700.0)] {
        for keys in ["f", "1", "+", "-"] {
            send(&mut viewer, resize(width, height, 1.0));
            send(&mut viewer, key(keys));
            frame(&mut viewer);
        }
    }
}

#[test]
fn files_outside_of_the_folder_are_refused() {
    let outer = folder("outer");
    let inner = outer.join("inner");
    std::fs::create_dir(&inner).unwrap();
    save_test_picture(&outer.join("secret.png"), 4, 4);
    save_test_picture(&inner.join("mine.png"), 4, 4);
    std::fs::create_dir(inner.join("nested")).unwrap();
    save_test_picture(&inner.join("nested/deep.png"), 4, 4);
    let absolute = outer.join("secret.png");
    for file in [
        "../secret.png",
        "./../secret.png",
        "..",
        absolute.to_str().unwrap(),
        "/etc/passwd",
        "inner/../../secret.png",
        "./mine.png",
        "mine.png/",
        "nested/deep.png",
    ] {
        assert!(message(&inner, file).contains("is not in the folder of pictures"), "{file} was opened");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&absolute, inner.join("link.png")).unwrap();
        std::os::unix::fs::symlink(inner.join("mine.png"), inner.join("other.png")).unwrap();
        assert!(message(&inner, "link.png").contains("is not in the folder of pictures"));
        assert!(viewer(&inner, "other.png").is_ok());
        assert_eq!(Folder::new(inner).names().unwrap(), ["mine.png", "other.png"]);
    }
}

#[test]
fn only_files_that_the_list_shows_are_opened() {
    let folder = folder("listed");
    save_test_picture(&folder.join("a.png"), 4, 4);
    std::fs::copy(folder.join("a.png"), folder.join(".hidden.png")).unwrap();
    std::fs::copy(folder.join("a.png"), folder.join("a.key")).unwrap();
    for file in [".hidden.png", "a.key", "a"] {
        assert!(message(&folder, file).contains("the folder has a.png"), "{file} was opened");
    }
    assert!(viewer(&folder, "a.png").is_ok());
}

#[test]
fn a_hundred_page_turns_take_one_draw_to_follow_and_load_one_picture() {
    let folder = folder("hurry");
    for name in ["a.png", "b.png", "c.png"] {
        save_test_picture(&folder.join(name), 4, 4);
    }
    let mut viewer = viewer(&folder, "").unwrap();
    send(&mut viewer, resize(100.0, 100.0, 1.0));
    loaded(&mut viewer);
    (0..100).for_each(|_| send(&mut viewer, key("n")));
    loaded(&mut viewer);
    assert_eq!(viewer.handle.traits().title, "Picture viewer: b.png");
}

#[test]
fn a_missing_file_is_answered_with_those_there_are() {
    let folder = folder("missing");
    assert_eq!(message(&folder, "a.png"), "option `file`: there is no picture `a.png`: the folder has none");
    save_test_picture(&folder.join("b.png"), 4, 4);
    std::fs::write(folder.join("notes.txt"), "no picture").unwrap();
    assert_eq!(message(&folder, "a.png"), "option `file`: there is no picture `a.png`: the folder has b.png");
    let mut kinds = Kinds::default();
    kinds.register(kind(None));
    let error = make(&kinds, "image", &json!({"file": "a.png"})).err().unwrap().to_string();
    assert!(error.contains("start the server with --images DIR"));
}

#[test]
fn broken_and_oversized_files_are_shown_as_messages() {
    let folder = folder("broken");
    std::fs::write(folder.join("broken.png"), "no picture").unwrap();
    // The head of a PNG that claims 100,000 × 100,000 pixels.
    let mut bomb = BufWriter::new(File::create(folder.join("bomb.png")).unwrap());
    let encoder = png::Encoder::new(&mut bomb, 100_000, 100_000);
    drop(encoder.write_header().unwrap());
    drop(bomb);
    for file in ["broken.png", "bomb.png"] {
        let mut viewer = viewer(&folder, file).unwrap();
        send(&mut viewer, resize(400.0, 200.0, 1.0));
        let shown = loaded(&mut viewer);
        assert!(shown.pixels().chunks_exact(3).any(|pixel| pixel != BACKGROUND));
        assert!(
            Folder::new(folder.to_owned())
                .load(file)
                .err()
                .expect("it was opened")
                .to_string()
                .starts_with("it ")
        );
    }
}

#[test]
fn n_and_p_go_through_the_folder_round_and_round() {
    let folder = folder("pages");
    for (name, side) in [("b.png", 30), ("A.bmp", 20), ("c.tiff", 40)] {
        save_test_picture(&folder.join(name), side, side);
    }
    let mut viewer = viewer(&folder, "").unwrap();
    send(&mut viewer, resize(100.0, 100.0, 1.0));
    loaded(&mut viewer);
    let mut titles = vec![viewer.handle.traits().title];
    for next in ["n", "PageDown", "n", "PageUp"] {
        is_draw_requested(&viewer.handle);
        send(&mut viewer, key(next));
        assert!(is_draw_requested(&viewer.handle));
        loaded(&mut viewer);
        titles.push(viewer.handle.traits().title);
    }
    let names = ["A.bmp", "b.png", "c.tiff", "A.bmp", "c.tiff"];
    assert_eq!(titles, names.map(|name| format!("Picture viewer: {name}")));
}

#[test]
fn an_empty_folder_or_none_shows_the_sample() {
    let mut viewer = viewer(&folder("empty"), "").unwrap();
    send(&mut viewer, resize(320.0, 240.0, 1.0));
    let shown = frame(&mut viewer);
    let colors: std::collections::HashSet<_> = shown.pixels().chunks_exact(3).collect();
    assert!(colors.len() > 1000, "{} colours", colors.len());
}

#[test]
fn a_picture_of_12000_by_9000_pixels_opens_and_frames_cost_what_is_on_screen() {
    let folder = folder("large");
    let file = BufWriter::new(File::create(folder.join("large.png")).unwrap());
    let mut encoder = png::Encoder::new(file, 12_000, 9_000);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::NoCompression);
    let grey = |x: usize, y: usize| (x / 50 + y / 50) as u8;
    let mut pixels = Vec::with_capacity(12_000 * 9_000);
    for y in (0..9_000).step_by(50) {
        let row: Vec<u8> = (0..12_000).map(|x| grey(x, y)).collect();
        (0..50).for_each(|_| pixels.extend_from_slice(&row));
    }
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();

    let mut viewer = viewer(&folder, "large.png").unwrap();
    send(&mut viewer, resize(640.0, 480.0, 1.0));
    loaded(&mut viewer);
    // The whole, a quarter of it, and 1:1: none of them reads more than a few screens of pixels.
    let Content::Open { source, .. } = &viewer.content else { panic!("the picture is not open") };
    let counting = Arc::new(Counting { source: Arc::clone(source), pixels: AtomicUsize::new(0) });
    viewer.content = Content::Open { name: "large.png".to_owned(), source: counting.clone() };
    for keys in ["f", "+", "1"] {
        send(&mut viewer, key(keys));
        frame(&mut viewer);
        let read = counting.pixels.swap(0, Ordering::Relaxed);
        assert!(read > 0 && read < 5 * 640 * 480, "{read} pixels read after {keys}");
    }
    let shown = pixel(&frame(&mut viewer), 100, 50);
    assert_eq!(shown, [grey(6000 - 320 + 100, 4500 - 240 + 50); 3]);
}
