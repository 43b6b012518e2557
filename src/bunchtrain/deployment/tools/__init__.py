"""The programs that simulate, synthesise, place and route circuits, from the system or from pip."""
