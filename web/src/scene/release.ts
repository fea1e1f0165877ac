// Gives back what things hold on the graphics card.
import { Material, type Group, type Mesh, type Object3D, type Sprite } from "three";

/** Free what a thing and all below it hold; textures of signs are shared and freed with their holder. */
export function release(thing: Object3D): void {
  thing.traverse((part) => {
    const { geometry, material } = part as Partial<Mesh>;
    if (!(part as Sprite).isSprite) geometry?.dispose();
    for (const one of Array.isArray(material) ? material : [material]) if (one instanceof Material) one.dispose();
  });
}

/** Take everything out of a group and free it. */
export function empty(group: Group): void {
  for (const child of [...group.children]) {
    group.remove(child);
    release(child);
  }
}
