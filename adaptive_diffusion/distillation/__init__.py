"""Making a student of a teacher, or a model of another prediction type, by diffusers, peft and accelerate."""
