// Where a rule tried on history would have raised: a disc at each device, its size and number say how often.
import type { ExpressionSpecification, LayerSpecification } from "maplibre-gl";
import type { TrialDevice } from "../alarms_api.ts";
import { LADDER } from "../severity.ts";
import { SEVERITIES } from "../types.ts";
import type { Guest } from "./guests.ts";
import type { Palette } from "./palette.ts";

export const TRIAL_DEVICES = "trial-devices";
const FONT = ["Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "sans-serif"];

/** One point a device that has a place; the most frequent last, so that it lies on top. */
export function trialFeatures(devices: readonly TrialDevice[]): unknown[] {
  return devices
    .filter(({ lon, lat }) => lon !== null && lat !== null)
    .sort((a, b) => a.alarms - b.alarms)
    .map(({ device_id, alarms, worst, lon, lat }) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [lon, lat] },
      properties: { device_id, alarms, worst, size: 9 + 3 * Math.log2(alarms) },
    }));
}

export class TrialGuest implements Guest {
  readonly id = "trial";
  readonly data: Record<string, readonly unknown[]> = { [TRIAL_DEVICES]: [] };
  readonly pressable = ["trial-discs"];
  /** Called with the device of a disc that is pressed. */
  pressed: (device: string) => void = () => {};

  press(_layer: string, facts: Record<string, unknown>): void {
    this.pressed(String(facts["device_id"]));
  }

  layers(palette: Palette): LayerSpecification[] {
    const colour = [
      "match",
      ["get", "worst"],
      ...SEVERITIES.flatMap((severity) => [LADDER[severity].key, LADDER[severity].colour]),
      palette.label,
    ] as unknown as ExpressionSpecification;
    return [
      {
        id: "trial-discs",
        type: "circle",
        source: TRIAL_DEVICES,
        paint: {
          "circle-radius": ["get", "size"],
          "circle-color": palette.halo,
          "circle-stroke-color": colour,
          "circle-stroke-width": 4,
        },
      },
      {
        id: "trial-numbers",
        type: "symbol",
        source: TRIAL_DEVICES,
        layout: {
          "text-field": ["to-string", ["get", "alarms"]],
          "text-font": FONT,
          "text-size": 11,
          "text-allow-overlap": true,
        },
        paint: { "text-color": palette.label },
      },
    ];
  }
}
