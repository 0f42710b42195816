/** The hatch that means "not known now", shared by every drawing of the page. */
export function Hatch() {
  return (
    <svg width="0" height="0" style={{ position: "absolute" }} aria-hidden="true">
      <defs>
        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="6" height="6" fill="var(--panel)" />
          <rect width="1.6" height="6" fill="var(--outline)" />
        </pattern>
      </defs>
    </svg>
  );
}
