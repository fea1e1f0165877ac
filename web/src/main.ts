// Where the page begins: remembered language and theme first, so that nothing is drawn twice.
import { restoreLang } from "./i18n.ts";
import { restoreTheme } from "./theme.ts";

restoreLang();
restoreTheme();
await import("./components/app.ts");
