// Where map, list, panels and cards stand, on a desk and on a phone.
import { css, unsafeCSS } from "lit";

export const PANEL_PX = 380;
/** How much of the map's left a place's card covers. */
export const CARD_PX = 350;
const panel = unsafeCSS(`${PANEL_PX}px`);
const besidePanel = unsafeCSS(`${PANEL_PX + 10}px`);

export const appStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100dvh;
    overflow: hidden;
  }
  .skip {
    position: absolute;
    left: 8px;
    top: -60px;
    z-index: 50;
  }
  .skip:focus {
    top: 6px;
  }
  main {
    flex: 1;
    min-height: 0;
    display: grid;
    grid-template-columns: minmax(0, 1fr) 390px;
    position: relative;
  }
  main:is(.maps, .watch) {
    grid-template-columns: minmax(0, 1fr) 460px;
  }
  .stage {
    position: relative;
    min-width: 0;
    min-height: 0;
  }
  bt-map-view {
    position: absolute;
    inset: 0;
  }
  /* The past is framed by a hatch that no live view has. */
  .stage.past::after {
    content: "";
    position: absolute;
    inset: 0;
    z-index: 9;
    pointer-events: none;
    border: 10px solid transparent;
    border-image: repeating-linear-gradient(
        45deg,
        var(--past) 0 7px,
        var(--ground) 7px 14px
      )
      10;
  }
  bt-call-banner {
    position: absolute;
    z-index: 17;
    top: 10px;
    left: 60px;
    right: 60px;
  }
  .stage.covered bt-call-banner {
    left: ${besidePanel};
  }
  /* A device chosen in the 3D view is told about beside it. */
  bt-device-panel {
    position: absolute;
    z-index: 16;
    left: 0;
    top: 0;
    bottom: 0;
    width: ${panel};
    border-right: 1px solid var(--line);
    box-shadow: var(--shadow);
  }
  bt-place-card {
    position: absolute;
    z-index: 8;
    left: 10px;
    bottom: 10px;
    width: min(340px, calc(100% - 80px));
    max-height: calc(100% - 90px);
  }
  .stage.covered bt-place-card {
    left: ${besidePanel};
    width: min(340px, calc(100% - ${besidePanel} - 70px));
  }
  bt-scene-view {
    position: absolute;
    inset: 0;
    z-index: 15;
  }
  /* The 3D view's tools stay in reach. */
  .stage.solid bt-call-banner {
    top: 66px;
  }
  .covered bt-scene-view {
    left: ${panel};
  }
  .failed {
    position: absolute;
    z-index: 18;
    left: 10px;
    bottom: 10px;
    margin: 0;
    padding: 8px 12px;
    background: var(--panel);
    border: 1px solid var(--danger);
    border-radius: 6px;
  }
  .sheet {
    display: flex;
    flex-direction: column;
    min-height: 0;
    border-left: 1px solid var(--line);
    background: var(--panel);
  }
  bt-alarm-list,
  bt-past-list,
  bt-maps-desk,
  bt-watch-desk {
    flex: 1;
    min-height: 0;
  }
  .grip {
    display: none;
  }
  @media (max-width: 760px) {
    main,
    main:is(.maps, .watch) {
      grid-template-columns: minmax(0, 1fr);
      grid-template-rows: minmax(0, 43fr) minmax(0, 57fr);
    }
    main.tall,
    main:is(.maps, .watch).tall {
      grid-template-rows: minmax(0, 12fr) minmax(0, 88fr);
    }
    .sheet {
      border-left: 0;
      border-top: 1px solid var(--line);
      border-radius: 14px 14px 0 0;
      overflow: hidden;
      margin-top: -12px;
      z-index: 5;
    }
    .grip {
      display: grid;
      place-items: center;
      border: 0;
      border-radius: 0;
      background: var(--panel);
      min-height: 26px;
      padding: 0;
    }
    bt-device-panel {
      position: fixed;
      inset: 12dvh 0 0;
      width: auto;
      z-index: 22;
      border-top: 1px solid var(--line);
      border-radius: 14px 14px 0 0;
      overflow: hidden;
    }
    bt-place-card,
    .stage.covered bt-place-card {
      position: fixed;
      z-index: 19;
      inset: auto 0 0;
      width: auto;
      max-height: 56dvh;
      border-radius: 14px 14px 0 0;
    }
    /* With what it feeds drawn on the map, the panel leaves the map in sight. */
    .peek bt-device-panel {
      inset: 55dvh 0 0;
    }
    bt-scene-view,
    .covered bt-scene-view {
      position: fixed;
      z-index: 21;
      left: 0;
    }
    /* A device's panel and the 3D view share the screen. */
    .covered.solid bt-scene-view {
      bottom: auto;
      height: 55dvh;
    }
    .solid bt-device-panel {
      inset: 55dvh 0 0;
      border-radius: 0;
    }
    bt-call-banner,
    .stage.solid bt-call-banner,
    .stage.covered bt-call-banner {
      position: fixed;
      z-index: 25;
      left: 8px;
      right: 8px;
      top: auto;
      bottom: 10px;
    }
  }
`;
