// "What is here": a right click, a long press, or Enter on the map with the crosshair in its middle.
import type { Map as Chart, MapTouchEvent } from "maplibre-gl";

const HOLD_MS = 550;
/** A finger that moves so far, in pixels, drags. */
const DRAG_PX = 9;
/** Touch browsers report a long press as a context menu too; one of the two is enough. */
const AGAIN_MS = 900;

export type Held = (lon: number, lat: number) => void;

export function onHold(chart: Chart, held: Held): void {
  let lastMs = -AGAIN_MS;
  const tell = (at: { lng: number; lat: number }): void => {
    if (performance.now() - lastMs < AGAIN_MS) return;
    lastMs = performance.now();
    held(at.lng, at.lat);
  };
  chart.on("contextmenu", (event) => tell(event.lngLat));
  onLongPress(chart, tell);
  chart.getCanvas().addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    tell(chart.getCenter());
  });
}

function onLongPress(chart: Chart, tell: (at: { lng: number; lat: number }) => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let from = { x: 0, y: 0 };
  const stop = (): void => clearTimeout(timer);
  chart.on("touchstart", (event: MapTouchEvent) => {
    stop();
    if (event.originalEvent.touches.length !== 1) return;
    from = event.point;
    const at = event.lngLat;
    timer = setTimeout(() => tell(at), HOLD_MS);
  });
  chart.on("touchmove", (event: MapTouchEvent) => {
    if (Math.hypot(event.point.x - from.x, event.point.y - from.y) > DRAG_PX) stop();
  });
  for (const end of ["touchend", "touchcancel", "dragstart", "zoomstart"] as const) chart.on(end, stop);
}
