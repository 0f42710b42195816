/** The plant as configured, indexed for the page. What a plant does not have is simply absent. */

import type { Area, Equipment, Line, Plant, Room, Tag } from "./contract";

export interface IncubatorCell {
  /** `cell03`, the first part of its tags' names. */
  id: string;
  number: string;
  tags: Tag[];
}

export class PlantIndex {
  private readonly tagsById: Map<string, Tag>;
  private readonly equipmentById: Map<string, Equipment>;
  private readonly roomsById: Map<string, Room>;

  constructor(
    readonly plant: Plant,
    readonly tags: readonly Tag[],
  ) {
    this.tagsById = new Map(tags.map((tag) => [tag.id, tag]));
    this.equipmentById = new Map(plant.equipment.map((equipment) => [equipment.id, equipment]));
    this.roomsById = new Map(plant.rooms.map((room) => [room.id, room]));
  }

  tag(id: string | null | undefined): Tag | undefined {
    return id ? this.tagsById.get(id) : undefined;
  }

  equipment(id: string): Equipment | undefined {
    return this.equipmentById.get(id);
  }

  room(id: string | null): Room | undefined {
    return id ? this.roomsById.get(id) : undefined;
  }

  area(id: string): Area | undefined {
    return this.plant.areas.find((area) => area.id === id);
  }

  line(id: string): Line | undefined {
    return this.plant.lines.find((line) => line.id === id);
  }

  equipmentOfLine(line: string): Equipment[] {
    return this.plant.equipment.filter((equipment) => equipment.line === line);
  }

  /** Every area that has shared equipment: the workshops, and any other place that equipment names. */
  sharedPlaces(): string[] {
    const shared = this.plant.equipment.filter((equipment) => equipment.line === null);
    return [...new Set([...this.plant.areas.map((area) => area.id), ...shared.map((equipment) => equipment.area)])];
  }

  /** What the lines of an area share. */
  sharedEquipment(area: string): Equipment[] {
    return this.plant.equipment.filter((equipment) => equipment.line === null && equipment.area === area);
  }

  tagsOf(equipment: Equipment): Tag[] {
    return equipment.tags.flatMap((id) => this.tagsById.get(id) ?? []);
  }

  /** The tag with this name after the equipment's id, where the equipment has it. */
  tagNamed(equipment: Equipment | undefined, name: string): Tag | undefined {
    return equipment && this.tagsById.get(`${equipment.id}.${name}`);
  }

  /** The pressure that a monitor measures in this room. */
  roomPressure(room: string | null): Tag | undefined {
    return this.tagNamed(
      this.plant.equipment.find((equipment) => equipment.type === "room_monitor" && equipment.room === room && room !== null),
      "pressure",
    );
  }

  /** Its cells in order of number, each with its tags. */
  cellsOf(honeycomb: Equipment): IncubatorCell[] {
    const cells = new Map<string, IncubatorCell>();
    for (const tag of this.tagsOf(honeycomb)) {
      const [, id, number] = /\.(cell(\d+))\./.exec(tag.id) ?? [];
      if (!id || !number) continue;
      const cell = cells.get(id) ?? { id, number, tags: [] };
      cell.tags.push(tag);
      cells.set(id, cell);
    }
    return [...cells.values()].sort((a, b) => Number(a.number) - Number(b.number));
  }
}

/** The newest record's particles of a size: per cubic metre where the counter gives it, else as counted. */
export function particlesOf(index: PlantIndex, counter: Equipment | undefined, size: "0_5um" | "5um"): Tag | undefined {
  return index.tagNamed(counter, `record.concentration_${size}`) ?? index.tagNamed(counter, `record.count_${size}`);
}

/** The particle counter of a line that watches the critical zone: the one with the strictest limit, else the first. */
export function criticalCounter(index: PlantIndex, counters: readonly Equipment[]): Equipment | undefined {
  const strictness = (counter: Equipment): number => {
    const limits = particlesOf(index, counter, "5um")?.limits ?? [];
    return Math.min(Infinity, ...limits.map((limit) => limit.value));
  };
  return [...counters].sort((a, b) => strictness(a) - strictness(b) || (a.id < b.id ? -1 : 1))[0];
}

/** Whether a door's value means open: its legend decides, else anything but zero. */
export function isOpen(tag: Tag, value: number): boolean {
  const word = tag.legend?.[String(Math.round(value))]?.en.toLowerCase();
  return word === undefined ? value !== 0 : word.includes("open");
}

/** Whether a cell's state means that nothing is in it. */
export function isEmpty(tag: Tag, value: number): boolean {
  const word = tag.legend?.[String(Math.round(value))]?.en.toLowerCase();
  return word === undefined ? value === 0 : /empty|free|vacant/.test(word);
}

/** Grades from the cleanest outward, the order in which air should flow. */
export const GRADES = ["A", "B", "C", "D", "CNC"];
