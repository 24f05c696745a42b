"""The training code, where torch is installed: small laws, no run."""

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra edge[train]) is not installed")
onnx = pytest.importorskip("onnx", reason="onnx (extra edge[train]) is not installed")
pytest.importorskip("pycocotools", reason="pycocotools (extra edge[train]) is not installed")

from models.training import augment, boxes, calibrate, loss, measure, network, recipe, train  # noqa: E402
from models.training.export import export  # noqa: E402
from models.training.pictures import Labelled, draw_weights  # noqa: E402


def labelled(dataset: str = "hit-uav", scene: str = "a", persons: tuple[tuple[float, ...], ...] = ()) -> Labelled:
    """Draw a picture of 300x180 with a bright body in each box."""
    rng = np.random.default_rng(3)
    grey = rng.normal(90, 3, (180, 300))
    for x0, y0, x1, y1 in persons:
        grey[int(y0) : int(y1), int(x0) : int(x1)] = 220
    none = np.zeros((0, 4), np.float32)
    truth = np.array(persons, np.float32).reshape(-1, 4)
    return Labelled(dataset, scene, "x.jpg", grey.clip(0, 255).astype(np.uint8), truth, none, none, {"date": "1"})


def test_folded_stem_is_the_same_sum() -> None:
    """The 6x6 convolution on one channel equals space-to-depth and 3x3 on three equal channels."""
    torch.manual_seed(0)
    weight, x = torch.randn(16, 12, 3, 3), torch.rand(1, 1, 24, 40)
    quarters = [x[..., r::2, c::2].repeat(1, 3, 1, 1) for r, c in ((0, 0), (1, 0), (0, 1), (1, 1))]
    wide = torch.nn.functional.conv2d(torch.cat(quarters, 1), weight, padding=1)
    narrow = torch.nn.functional.conv2d(x, network.fold_stem(weight), stride=2, padding=2)
    assert torch.allclose(wide, narrow, atol=1e-4)


def test_network_does_not_see_gain_and_offset() -> None:
    """Another gain and level of the picture give nearly the same maps."""
    x = torch.rand(1, 1, 64, 96) * 150
    before, after = network.even_out(x), network.even_out(x * 1.5 + 20)
    assert (before - after).abs().max() < 0.2


def test_export_agrees_with_torch(tmp_path: Path) -> None:
    """The exported graph answers as the network does; the export itself checks it and raises otherwise."""
    torch.manual_seed(0)
    export(network.PersonNet(), tmp_path / "net.onnx", (64, 96))
    assert (tmp_path / "net.onnx").stat().st_size > 100_000


@pytest.mark.parametrize("size", network.SIZES)
def test_every_size_is_exported_with_the_cells_that_answer(size: str, tmp_path: Path) -> None:
    """Each entry of the table can be shipped: its graph answers once for each cell of the strides that it has."""
    torch.manual_seed(0)
    net = network.PersonNet(size)
    export(net, tmp_path / "net.onnx", (64, 128))
    boxes, _ = network.flatten(net.eval()(torch.zeros(1, 1, 64, 128)), net.strides_px)
    centres, _ = network.cell_centres(64, 128, net.strides_px)
    assert boxes.shape[1] == len(centres)


def test_a_run_from_a_release_starts_where_the_release_stands(tmp_path: Path) -> None:
    """Exported and taken over again, a network that has been told something answers on those pictures as before."""
    torch.manual_seed(0)
    released, started = network.PersonNet(), network.PersonNet()
    pictures = torch.rand(4, 1, 64, 96) * 255
    for _ in range(3):
        released.train()(pictures)
    released.eval()
    export(released, tmp_path / "net.onnx", (64, 96))
    network.start_from_release(started, tmp_path / "net.onnx", pictures)
    with torch.no_grad():
        pairs = zip(released(pictures), started.eval()(pictures), strict=True)
        assert all(torch.allclose(theirs, ours, atol=1e-3) for theirs, ours in pairs)


def coco_weights(net: network.PersonNet, file: Path) -> dict[str, torch.Tensor]:
    """Write random weights under the published names; the layers of the stride-4 level have none."""
    state = {}
    for name, layer in net.named_modules():
        source = network._coco_name(name) if isinstance(layer, network.ConvAct) else None
        if source is not None and not name.startswith(("td2", "lat3")):
            shape = (16, 12, 3, 3) if name == "stem" else layer.conv.weight.shape
            state[f"{source}.conv.weight"] = torch.randn(shape) * 0.1
            state[f"{source}.conv.bias"] = torch.zeros(shape[0])
    for k in range(2):
        state |= {f"preg.{k}.weight": torch.randn(4, 64, 1, 1), f"preg.{k}.bias": torch.zeros(4)}
        state |= {f"pobj.{k}.weight": torch.randn(1, 64, 1, 1), f"pobj.{k}.bias": torch.zeros(1)}
    torch.save(state, file)
    return state


def test_a_run_from_coco_takes_the_layers_that_correspond(tmp_path: Path) -> None:
    """Weights of the published names land in their layers; the stride-4 level, which has none, keeps its random start."""
    torch.manual_seed(0)
    net = network.PersonNet()
    state = coco_weights(net, tmp_path / "coco.pt")
    before = net.heads[0].out.weight.clone()
    network.start_from_coco(net, tmp_path / "coco.pt", torch.rand(2, 1, 64, 96) * 255)
    assert torch.equal(net.stage3[0][1].conv.weight, state["stage3.0.1.conv.weight"])
    assert torch.equal(net.heads[1].out.weight[4:], state["pobj.0.weight"])
    assert torch.equal(net.heads[0].out.weight, before)


def test_cells_near_a_person_answer_for_it() -> None:
    """Of untrained boxes the chosen cells lie around the person's centre, and each cell answers for one person."""
    centres, strides = network.cell_centres(96, 160)
    half = strides[:, None] * 2
    guess = torch.cat((centres - half, centres + half), 1)
    truth = torch.tensor([[20.0, 20.0, 30.0, 44.0], [90.0, 40.0, 100.0, 60.0]])
    cells, owners = loss.assign(guess, torch.zeros(len(centres)), centres, strides, truth)
    assert set(owners.tolist()) == {0, 1}
    assert len(set(cells.tolist())) == len(cells)
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    apart = (centres[cells] - middle[owners]).abs().amax(1) / strides[cells]
    assert (apart < loss.CENTRE_RADIUS_STRIDES).all()


def test_ignored_areas_cost_nothing() -> None:
    """Confident cells inside an ignored area add nothing to the loss of an empty crop."""
    maps = [torch.zeros(1, 5, 96 // s, 160 // s) for s in network.STRIDES_PX]
    everywhere = torch.tensor([[0.0, 0.0, 160.0, 96.0]])
    none = torch.zeros(0, 4)
    punished, _ = loss.detection_loss(maps, (96, 160), [none], [none])
    spared, _ = loss.detection_loss(maps, (96, 160), [none], [everywhere])
    assert float(punished) > 1
    assert float(spared) == 0


def test_a_perfect_box_costs_less_than_a_shifted_one() -> None:
    """GIoU is one for the same box, lower when shifted, negative when far away."""
    a = torch.tensor([[0.0, 0.0, 10.0, 20.0]])
    same, shifted, far = (float(loss.generalised_iou(a + d, a)[0]) for d in (0, 3, 100))
    assert same == pytest.approx(1)
    assert 0 < shifted < 1
    assert far < 0


def test_crops_are_repeatable_and_their_boxes_inside() -> None:
    """The same number gives the same crop, and its people lie within it."""
    pictures = [labelled(persons=((40, 40, 50, 64), (200, 90, 212, 120))), labelled("ltd", "b", ((100, 60, 112, 90),))]
    augmenter = augment.Augmenter(pictures, draw_weights(pictures, {"hit-uav": 0.5, "ltd": 0.5}), 160)
    for n in range(30):
        grey, persons, _ = augmenter.draw(np.random.default_rng((1, n)))
        again, same, _ = augmenter.draw(np.random.default_rng((1, n)))
        assert grey.shape == (160, 160)
        assert grey.dtype == np.uint8
        assert np.array_equal(grey, again)
        assert np.array_equal(persons, same)
        assert (persons >= -1).all()
        assert (persons <= 161).all()


def test_people_whom_gain_and_clipping_wipe_out_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label on what nobody could see would teach to invent; on what is still seen it stays."""
    pictures = [labelled(persons=((40, 40, 50, 64), (200, 90, 212, 120)))]
    augmenter = augment.Augmenter(pictures, np.ones(1), 300, mosaic_share=0)
    monkeypatch.setattr(augment, "control_gain", lambda _rng, grey: grey + 400)
    for n in range(10):
        _, persons, ignored = augmenter.draw(np.random.default_rng(n))
        assert len(persons) == 0
        assert len(ignored) > 0
    monkeypatch.setattr(augment, "control_gain", lambda _rng, grey: grey)
    assert any(len(augmenter.draw(np.random.default_rng(n))[1]) for n in range(10))


def test_on_a_warmer_ground_people_stand_out_less_and_the_ground_stays() -> None:
    """Their difference from the ground shrinks; nothing beyond their surroundings changes."""
    picture = labelled(persons=((40, 40, 50, 64), (200, 90, 212, 120)))
    before = picture.grey.astype(np.float32)
    crop = augment.Crop(before.copy(), picture.persons, np.zeros((0, 4), np.float32))
    augment.warm_the_ground(np.random.default_rng(1), crop)
    for box in picture.persons:
        assert 10 < augment.stands_out(crop.grey, box) < 0.95 * augment.stands_out(before, box)
    assert np.array_equal(crop.grey[:30], before[:30])


def test_long_films_do_not_drown_short_scenes() -> None:
    """A scene of sixteen pictures is drawn four times as often as one of a single picture, not sixteen times."""
    pictures = [labelled(scene="film") for _ in range(16)] + [labelled(scene="single")]
    weights = draw_weights(pictures, {"hit-uav": 1.0})
    assert weights.sum() == pytest.approx(1)
    assert weights[:16].sum() / weights[16] == pytest.approx(4)


def test_days_can_be_drawn_more_often_than_nights() -> None:
    """Of two scenes of one length the one by day is drawn twice as often; a set that does not say counts as night."""
    pictures = [
        replace(labelled(scene=str(facts)), facts=facts) for facts in ({"night": 0}, {"night": 1}, {"date": "1"})
    ]
    assert draw_weights(pictures, {"hit-uav": 1.0}, 2.0).tolist() == pytest.approx([0.5, 0.25, 0.25])


def test_suppression_keeps_the_best_of_overlapping_boxes() -> None:
    """Of two boxes on one body the better stays, and the neighbour stays too."""
    rows = np.array([[0, 0, 10, 20, 0.6], [1, 0, 11, 20, 0.9], [30, 0, 40, 20, 0.5], [60, 0, 70, 20, 0.1]], np.float32)
    kept = boxes.suppress(rows, 0.3)
    assert kept[:, 4].tolist() == pytest.approx([0.9, 0.5])


def test_perfect_answers_score_one() -> None:
    """When every true box is found and nothing else, AP50, exact counts and recall are one."""
    picture = labelled(persons=((40, 40, 50, 64), (200, 90, 212, 120)))
    rows = np.concatenate((picture.persons, np.full((2, 1), 0.9, np.float32)), 1)
    found = measure.Found([picture], [rows])
    assert measure.average_precision(found)["ap50"] == pytest.approx(1)
    assert measure.count_scores(found, 0.5)["count_exact"] == 1
    assert all(hit == 1 for _, hit, _ in measure.recall_by_height(found, 0.5, (10, 100)).values())


def test_rate_climbs_stays_and_falls() -> None:
    """The learning rate starts low, is flat for half of the run, and ends at about a hundredth."""
    plan = train.Plan(steps=1000, warmup_steps=100)
    assert train.rate_share(0, plan) == pytest.approx(0.01)
    assert train.rate_share(400, plan) == 1
    assert train.rate_share(999, plan) < 0.02


def test_calibration_finds_how_scores_were_bent() -> None:
    """From answers drawn with a known scale and shift of the logit, both are found again."""
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(1.7 * logits - 0.6)))
    assert calibrate.fit(logits, right) == pytest.approx((1.7, -0.6), abs=0.1)


def test_averaged_exports_are_the_mean_of_their_weights(tmp_path: Path) -> None:
    """Two exports of one network become one whose weights lie in the middle; one export stays what it is."""
    torch.manual_seed(0)
    files = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for file in files:
        export(network.PersonNet(), file, (64, 96))
    first, second, mean = (
        {t.name: onnx.numpy_helper.to_array(t) for t in graph.graph.initializer}
        for graph in (onnx.load(files[0]), onnx.load(files[1]), calibrate.averaged(files))
    )
    assert np.allclose(
        mean["net.stem.conv.weight"], (first["net.stem.conv.weight"] + second["net.stem.conv.weight"]) / 2
    )
    assert calibrate.averaged(files[:1]) == onnx.load(files[0])


def test_boxes_in_ignored_areas_are_not_counted() -> None:
    """A box mostly inside an ignored area is neither a person nor a false box; one outside is counted."""
    picture = labelled()
    area = np.array([[0, 0, 60, 60]], np.float32)
    ignoring = Labelled(picture.dataset, picture.scene, "x", picture.grey, picture.persons, area, picture.others, {})
    rows = np.array([[10, 10, 20, 30, 0.9], [100, 10, 110, 30, 0.8]], np.float32)
    assert measure.count_scores(measure.Found([ignoring], [rows]), 0.5)["false_per_empty"] == 1
    assert measure.count_scores(measure.Found([picture], [rows]), 0.5)["false_per_empty"] == 2


def write_set(folder: Path, seed: int) -> None:
    """Write a labelled set of two pictures for training and two for looking, a bright body and an empty ground in each."""
    (folder / "images").mkdir(parents=True)
    for split in ("train", "val"):
        told: dict[str, list[dict[str, object]]] = {"images": [], "annotations": [], "categories": []}
        for n, persons in enumerate((((40.0, 40.0, 12.0, 30.0),), ())):
            picture = labelled(persons=tuple((x, y, x + w, y + h) for x, y, w, h in persons))
            name = f"{split}{n}.png"
            cv2.imwrite(str(folder / "images" / name), picture.grey)
            told["images"].append({"id": n, "file_name": name, "date": f"2021010{seed}", "night": 1, "altitude_m": 80})
            told["annotations"] += [{"id": n, "image_id": n, "category_id": 1, "bbox": list(box)} for box in persons]
        (folder / f"{split}.json").write_text(json.dumps(told))


def test_one_command_goes_from_nothing_to_a_file_that_can_be_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn scenes, runs one after the other, calibration, measurement and manifest; given twice, nothing is done again."""
    for seed, name in enumerate(("hit-uav", "ltd"), 1):
        write_set(tmp_path / "data" / name, seed)
    coco_weights(network.PersonNet(), tmp_path / "coco.pt")
    short = train.Plan(steps=2, batch=2, crop_px=64, warmup_steps=1, threads=1, workers=0, look_every=9)
    mixed = replace(short, simulated_share=0.3, seed=2)
    thresholds = {"score": 0.45, "score_low": 0.1, "nms_iou": 0.55}
    made = recipe.Recipe("", (short, mixed), thresholds, 22, averaged=((1, 2), (2, 2)))
    monkeypatch.setitem(recipe.RECIPES, "thermal-person", made)
    (tmp_path / "out").mkdir()
    order = ("thermal-person", tmp_path / "data", tmp_path / "coco.pt", tmp_path / "work", tmp_path / "out", "9.9.9")
    recipe.ship(*order, scenes=1)
    told = tomllib.loads((tmp_path / "out" / "thermal-person.toml").read_text())
    graph = (tmp_path / "out" / "thermal-person.onnx").read_bytes()
    assert told["sha256"] == hashlib.sha256(graph).hexdigest()
    assert told["training"]["seeds"] == [1, 2]
    assert 0 <= told["scores"]["hit_uav_val_ap50"] <= 1
    log = tmp_path / "work" / "thermal-person" / "run-2" / "log.jsonl"
    written = log.read_text()
    recipe.ship(*order, scenes=1)
    assert log.read_text() == written


def test_a_run_may_start_from_the_mean_of_earlier_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that learns nothing ends with the mean of the two looks that it was told to start from."""
    for seed, name in enumerate(("hit-uav", "ltd"), 1):
        write_set(tmp_path / "data" / name, seed)
    coco_weights(network.PersonNet(), tmp_path / "coco.pt")
    short = train.Plan(steps=2, batch=2, crop_px=64, warmup_steps=1, threads=1, workers=0, look_every=1)
    still = replace(short, rate=0.0)
    made = recipe.Recipe("", (short, still), {"score": 0.45}, 22, starts={2: ((1, 1), (1, 2))})
    monkeypatch.setitem(recipe.RECIPES, "thermal-person", made)
    monkeypatch.setattr(recipe, "make", lambda *_: None)
    (tmp_path / "out").mkdir()
    recipe.ship("thermal-person", tmp_path / "data", tmp_path / "coco.pt", tmp_path / "work", tmp_path / "out", "9.9.9")
    work = tmp_path / "work" / "thermal-person"

    def weights(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
        return {t.name: onnx.numpy_helper.to_array(t) for t in graph.graph.initializer if "out.weight" in t.name}

    mean = weights(calibrate.averaged([work / "run-1" / f"step-{step:05d}.onnx" for step in (1, 2)]))
    end = weights(onnx.load(work / "run-2" / "step-00002.onnx"))
    assert mean.keys() == end.keys()
    for name, values in mean.items():
        np.testing.assert_allclose(end[name][:4], values[:4], atol=1e-6)
